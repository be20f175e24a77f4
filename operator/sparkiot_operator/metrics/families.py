"""What a metric is: its name, its meaning and its labels, stated once for Prometheus and for the reference page."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

T_contra = TypeVar("T_contra", contravariant=True)
JOB_LABELS = ("namespace", "name")
Readings = Iterable[tuple[tuple[str, ...], float | None]]
"""Values of the labels beyond the job's, and the number; None for what is missing, which has no series."""


@dataclass(frozen=True, slots=True)
class Family:
    """A metric by its name on the page (a counter's without ``_total``). labels: beyond those of the job."""

    name: str
    text: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Read(Generic[T_contra]):
    """A metric of a job, and how it is read from what is kept of the job."""

    family: Family
    read: Callable[[T_contra], Readings]


def single(value: float | None) -> Readings:
    """The one number of a metric without labels of its own."""
    return (((), value),)
