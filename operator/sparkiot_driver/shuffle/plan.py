"""What pyspark has no words for: a grouped aggregation cut where Spark would shuffle, and rows that Spark knows to be
partitioned already.

Inside Spark only. These are internals of Spark, the same in 3.5 and 4.x: TreeNode.makeCopy, the aggregates' classes,
HashPartitioning, QueryExecution.prepareExecutedPlan.
"""

# ruff: noqa: SLF001 - pyspark offers no other way to its JVM
from __future__ import annotations

import json
from typing import Any, Sequence

from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

AGGREGATES = ("HashAggregateExec", "ObjectHashAggregateExec", "SortAggregateExec")
_RELATION_OUTPUT, _RELATION_PARTITIONING = 0, 2
"""Places of LogicalRDD's arguments."""


class CannotCut(ValueError):  # noqa: N818 - what it says of the plan
    """The tiered shuffle cannot do it; the message says why."""


class Cut:
    """A grouped aggregation as Spark plans it: what each task computes of its own rows, and what is made of that.

    Where aggregates are over DISTINCT values, Spark first shuffles by its own means to find these.
    """

    def __init__(self, grouped: DataFrame) -> None:
        """grouped: the result of ``groupBy(...).agg(...)``. Raises CannotCut."""
        self._spark = grouped.sparkSession
        self._whole = grouped._jdf.queryExecution().sparkPlan()
        name = self._whole.getClass().getSimpleName()
        if name not in AGGREGATES or _modes(self._whole) != {"Final"}:
            raise CannotCut(f"Spark plans {name} where a grouped aggregation was expected: state an aggregate function")
        self._part = self._whole.child()
        name = self._part.getClass().getSimpleName()
        if name not in AGGREGATES or not _modes(self._part) <= {"Partial", "PartialMerge"}:
            raise CannotCut(f"Spark plans {name} below the aggregation, which cannot be cut there")
        self.keys = [self._part.output().apply(i) for i in range(self._whole.groupingExpressions().size())]
        for key in self.keys:
            refuse_type(key.dataType().json(), key.name())

    def partial(self) -> DataFrame:
        """What each task computes of its own rows: the keys, then Spark's own buffers of the aggregates."""
        return named(_frame(self._spark, self._part))

    def total(self, partials: DataFrame, partitions: int) -> DataFrame:
        """The aggregation's result from rows of ``partial``, which lie in partitions by the hash of their keys."""
        scan = _relation(partials, self._part.output(), self.keys, partitions).queryExecution().sparkPlan()
        jvm = self._spark._jvm
        return _frame(self._spark, self._whole.withNewChildren(jvm.PythonUtils.toSeq([scan])))


def partitioned(rows: DataFrame, schema: StructType, keys: Sequence[int], partitions: int) -> DataFrame:
    """The same rows under that schema, as a relation that Spark knows to be partitioned by the hash of those columns.

    So it groups and joins them by these keys without a shuffle of its own.
    """
    bare = _of_rows(rows, schema)
    output = bare._jdf.queryExecution().logical().output()
    attributes = [output.apply(i) for i in keys]
    return DataFrame(_relation(rows, output, attributes, partitions), rows.sparkSession)


def named(frame: DataFrame) -> DataFrame:
    """Columns c0, c1, ...: names may repeat, and Arrow's record batches are read by name here and there."""
    return frame.toDF(*(f"c{i}" for i in range(len(frame.columns))))


def refuse_type(data_type: str, column: str) -> None:
    """Raises CannotCut for a key, of that type in JSON, that Spark does not hash as it is when it shuffles by it.

    Of floating point, it makes -0.0 and NaN equal first; of text with a collation, what the collation calls equal.
    """
    if '"double"' in data_type or '"float"' in data_type:
        raise CannotCut(f"key {column} is of floating point: round it and cast it to a decimal or a whole number")
    if "collat" in data_type:
        raise CannotCut(f"key {column} is text with a collation: group by its lower case, or by a key of its own")


def _modes(aggregate: Any) -> set[str]:
    expressions = aggregate.aggregateExpressions()
    return {expressions.apply(i).mode().toString() for i in range(expressions.size())}


def _frame(spark: Any, plan: Any) -> DataFrame:
    """The rows of a physical plan."""
    session = spark._jsparkSession
    prepared = spark._jvm.org.apache.spark.sql.execution.QueryExecution.prepareExecutedPlan(session, plan)
    return DataFrame(session.internalCreateDataFrame(prepared.execute(), plan.schema(), False), spark)


def _of_rows(frame: DataFrame, schema: StructType) -> DataFrame:
    """The rows of a frame under another schema of the same types."""
    session = frame.sparkSession._jsparkSession
    rows = frame._jdf.queryExecution().toRdd()
    return DataFrame(
        session.internalCreateDataFrame(rows, session.parseDataType(schema.json()), False), frame.sparkSession
    )


def _relation(rows: DataFrame, output: Any, keys: Sequence[Any], partitions: int) -> Any:
    """The JVM's DataFrame of those rows, with ``output`` as its attributes, partitioned by the hash of ``keys``."""
    spark = rows.sparkSession
    jvm, session = spark._jvm, spark._jsparkSession
    relation = _of_rows(rows, rows.schema)._jdf.queryExecution().logical()
    arguments = spark.sparkContext._gateway.new_array(jvm.java.lang.Object, relation.productArity())
    for place in range(relation.productArity()):
        arguments[place] = relation.productElement(place)
    hashed = jvm.org.apache.spark.sql.catalyst.plans.physical.HashPartitioning
    arguments[_RELATION_OUTPUT] = output
    arguments[_RELATION_PARTITIONING] = hashed(jvm.PythonUtils.toSeq(list(keys)), partitions)
    package = session.getClass().getPackage().getName()  # Spark 4 has a second API under another name
    dataset = getattr(jvm, package).Dataset
    return dataset.ofRows(session, relation.makeCopy(arguments))


def schema_of(plan_schema: Any) -> StructType:
    """pyspark's form of the JVM's schema."""
    return StructType.fromJson(json.loads(plan_schema.json()))
