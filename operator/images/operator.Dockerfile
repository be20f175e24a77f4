# The operator; also the init container that brings the driver's runtime into Spark's pods. From the repository's root:
#   docker build -f operator/images/operator.Dockerfile -t sparkiot-operator:0.1.0 .
ARG PYTHON=3.11.14-slim-bookworm

FROM python:${PYTHON} AS build
WORKDIR /src
COPY operator/images/build.txt operator/images/operator.txt locks/
RUN python -m venv --without-pip /build \
    && pip --python /build/bin/python install --no-cache-dir --require-hashes --requirement locks/build.txt
# An environment without pip: what runs in a cluster installs nothing.
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --no-cache-dir --only-binary :all: --require-hashes \
        --requirement locks/operator.txt
COPY LICENSE README.md pyproject.toml ./
COPY operator operator
COPY policies policies
COPY sim sim
RUN pip --python /build/bin/python wheel --no-cache-dir --no-build-isolation --no-deps --wheel-dir /wheels /src \
    && pip --python /opt/venv/bin/python install --no-cache-dir --no-index --no-deps /wheels/*.whl

FROM python:${PYTHON}
COPY --from=build /opt/venv /opt/venv
RUN groupadd --gid 10001 sparkiot && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp sparkiot
# The root file system may be read-only: what libraries want to write goes to /tmp, an emptyDir then.
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /tmp
ENTRYPOINT ["sparkiot"]
