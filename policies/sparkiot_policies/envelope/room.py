"""Room: no more executors than the namespace's quota and the cluster can place."""

from sparkiot_policies.allocation import Allocation
from sparkiot_policies.decision import ClampCode
from sparkiot_policies.evaluation import Evaluation

from .draft import Draft


def apply(evaluation: Evaluation, base: Allocation, draft: Draft) -> None:
    """Stop growth that could not be placed. What is already asked for stays: a quota ends no running pod, and pending
    pods are what makes a cluster autoscaler add nodes."""
    if draft.allocation.executors <= base.executors:
        return
    quota = evaluation.quota_executors
    if quota is not None and draft.allocation.executors > quota:
        message = f"the namespace's quota has room for {quota}"
        draft.limit(ClampCode.QUOTA, "executors", max(quota, base.executors), message)
    if evaluation.unschedulable:
        message = f"{evaluation.unschedulable} executors are pending and the cluster has no room for them"
        draft.limit(ClampCode.UNSCHEDULABLE, "executors", base.executors, message)
