"""A streaming job that only copies: from one of the project's sources to files. Run by the tests as a program."""

import json
import sys

from pyspark.sql import SparkSession

from sparkiot_driver import sources


def main() -> None:
    said = json.loads(sys.argv[1])
    builder = SparkSession.builder.master("local[2]").config("spark.driver.memory", "1g")
    spark = builder.config("spark.ui.enabled", "false").config("spark.sql.session.timeZone", "UTC").getOrCreate()
    sources.register(spark)
    options = dict(said["source"])
    reader = spark.readStream.format(options.pop("format"))
    rows = reader.options(**{name: value for name, value in options.items() if name != "path"}).load(options["path"])
    if "value" in rows.columns:
        rows = rows.selectExpr("*", "get_json_object(CAST(value AS STRING), '$.id') AS id").drop("value", "headers")
    rows.explain(extended=True)
    query = rows.writeStream.format("json").option("checkpointLocation", said["checkpoint"])
    query.trigger(processingTime="200 milliseconds").start(said["sink"]).awaitTermination()


if __name__ == "__main__":
    main()
