# The operator; also the init container that brings the driver's runtime into Spark's pods. From the repository's root:
#   docker build -f operator/images/operator.Dockerfile -t sparkiot-operator:0.1.0 .
ARG PYTHON=3.11.14-slim-bookworm

FROM python:${PYTHON} AS build
WORKDIR /src
COPY .constraints.txt LICENSE README.md pyproject.toml ./
COPY operator operator
COPY policies policies
COPY sim sim
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /src
# An environment without pip: what runs in a cluster installs nothing.
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --no-cache-dir --constraint /src/.constraints.txt \
        "$(echo /wheels/*.whl)[kafka]"

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
