"""Device data as Spark 4 streams, without a jar: what the edge gateway let land, and Kafka topics.

For use in a PySpark program::

    from sparkiot_driver import sources

    sources.register(spark)
    landed = spark.readStream.format("sparkiot-landing").load("s3://bucket/prefix")
    sent = spark.readStream.format("sparkiot-kafka").option("servers", "kafka-1:9093").load("iot-data")

Importing this needs pyspark only. Reading needs pyarrow and pandas, as every Python source of Spark's does, and boto3
for S3 or confluent-kafka for Kafka, in the image of driver and executors.
"""

from __future__ import annotations

from sparkiot_driver.sources.options import SourceOptionError
from sparkiot_driver.sources.register import SourceNotSupported, register

__all__ = ["SourceNotSupported", "SourceOptionError", "register"]
