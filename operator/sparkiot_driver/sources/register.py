"""Making the sources known to a session, where its Spark and its image can have them."""

from __future__ import annotations

import re
from typing import Any

from sparkiot_driver.shuffle.requirements import missing
from sparkiot_driver.shuffle.ship import ship

LEAST = (4, 2)
"""From this release on Spark tells a Python source where a batch begins and how much it may hold. Without that a batch
has no bound, and none that a restart would keep."""
_PACKAGES = ("pyarrow", "pandas")


class SourceNotSupported(RuntimeError):  # noqa: N818 - it is a state of the image rather than an error
    """This Spark or this image cannot have the sources; the message says what to do."""


def register(spark: Any) -> None:
    """Add the formats ``sparkiot-landing`` and ``sparkiot-kafka`` to a SparkSession, for stream and batch.

    Idempotent. Executors get the modules from here, those that come later included. Raises SourceNotSupported.
    """
    version = tuple(int(part) for part in re.findall(r"[0-9]+", spark.version)[:2])
    if version < LEAST:
        raise SourceNotSupported(
            f"Python data sources need Spark 4.2 or later, and this is {spark.version}: read a landing folder with "
            "Spark's own file source, and Kafka with its connector spark-sql-kafka-0-10 of the same version"
        )
    lacking = missing(_PACKAGES)
    if lacking:
        raise SourceNotSupported(
            f"Python data sources need {', '.join(lacking)}, which this image lacks: add "
            f"`pip install {' '.join(lacking)}` to the image of driver and executors"
        )
    from sparkiot_driver.sources.formats import KafkaFormat, LandingFormat

    ship(spark.sparkContext)
    for source in (LandingFormat, KafkaFormat):
        spark.dataSource.register(source)
