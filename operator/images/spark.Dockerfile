# Spark for Kubernetes: Java 17, pyspark, the clients of shuffle tiers and data sources, the driver's runtime and the
# example jobs. Any other image with Java, Python and pyspark serves as well: the operator's init container brings the
# runtime. From the repository's root:
#   docker build -f operator/images/spark.Dockerfile -t sparkiot-spark:3.5.9 .
ARG PYTHON=3.11.14-slim-bookworm

FROM python:${PYTHON} AS build
COPY operator/images/build.txt operator/images/spark.txt /src/
# pyspark comes as source: its wheel is built with tools whose hashes are known too. Another release of it is stated in
# spark.in and .constraints.txt, then `make lock`.
RUN python -m venv --without-pip /build \
    && pip --python /build/bin/python install --no-cache-dir --require-hashes --requirement /src/build.txt \
    && pip --python /build/bin/python wheel --no-cache-dir --no-build-isolation --no-deps --require-hashes \
        --wheel-dir /wheels --requirement /src/spark.txt
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --no-cache-dir --no-index --no-deps /wheels/*.whl \
    && rm -rf /opt/venv/lib/python3.11/site-packages/pyspark/examples \
    && ln -s venv/lib/python3.11/site-packages/pyspark /opt/spark

FROM python:${PYTHON}
# Java's package links its manual pages into a folder that slim images lack; its own folder is named after the processor.
RUN mkdir -p /usr/share/man/man1 \
    && apt-get update \
    && apt-get install -y --no-install-recommends 'openjdk-17-jre-headless=17.*' 'procps=2:4.*' 'tini=0.19.*' \
    && rm -rf /var/lib/apt/lists/* \
    && ln -s /usr/lib/jvm/java-17-openjdk-* /opt/java
RUN groupadd --gid 185 spark && useradd --uid 185 --gid 185 --no-create-home --home-dir /tmp spark
COPY --from=build /opt /opt
COPY operator/sparkiot_driver /opt/sparkiot/sparkiot_driver
COPY operator/sparkiot_tiers /opt/sparkiot/sparkiot_tiers
COPY --chmod=755 operator/images/entrypoint.sh operator/images/decom.sh /opt/
# The root file system may be read-only: Spark and Java write to /tmp and the working directory, emptyDirs then.
ENV PATH=/opt/venv/bin:/opt/spark/bin:/opt/java/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/tmp \
    JAVA_HOME=/opt/java \
    SPARK_HOME=/opt/spark \
    PYSPARK_PYTHON=/opt/venv/bin/python3 \
    PYTHONPATH=/opt/sparkiot \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 185:185
WORKDIR /tmp
ENTRYPOINT ["/opt/entrypoint.sh"]
