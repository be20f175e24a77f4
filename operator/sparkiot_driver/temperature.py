"""Data temperature: the probability that a byte of shuffled data which was read once is read again. Pure.

**What is counted.** A segment is what one reduce task reads of one exchange: the ranges of one partition in all map
blocks. Its first reading is what a shuffle is for. It counts as read again when a second reading begins before its
batch commits and the blocks go: a second action of the user's function on the same exchange, a join of it with itself,
a task that is tried again or runs twice, and a batch that runs again after a failure or a restart. Segments weigh by
their bytes, since bytes are what a tier is paid for.

**Estimator.** The mean of a Beta distribution over that probability, whose evidence fades by half each
``HALF_LIFE`` batches: with batch i, n_i batches ago, of which the share x_i was read again,

    p = (A + Σ w_i x_i) / (A + B + Σ w_i),    w_i = 2^(-n_i / HALF_LIFE)

So one batch is one observation, however large: the batches of a query repeat its structure, and a burst is no better
evidence than a quiet batch. The prior, Beta(A, B) = Beta(½, ½) (Jeffreys), says that a query usually does always or
never what it does, and one batch outweighs it. A batch without data says nothing and fades nothing.
"""

from __future__ import annotations

HALF_LIFE = 10.0
"""Batches after which an observation counts half: the estimate follows a change of the query's behaviour in some
twenty batches, and a single replay after a restart does not make data hot for longer."""
PRIOR_AGAIN = 0.5
PRIOR_ONCE = 0.5


class Temperature:
    """The estimate over the batches of a job, oldest first."""

    def __init__(self, half_life: float = HALF_LIFE) -> None:
        """half_life: in batches."""
        self._keep = 0.5 ** (1.0 / half_life)
        self._again = 0.0
        self._weight = 0.0

    def observe(self, read_bytes: float, again_bytes: float) -> None:
        """A batch: bytes of its segments that were read, and of those among them that were read more than once.

        Raises ValueError when more was read again than was read.
        """
        if not 0 <= again_bytes <= read_bytes:
            raise ValueError(f"of {read_bytes} bytes that were read, {again_bytes} cannot have been read again")
        if not read_bytes:
            return
        self._again = self._again * self._keep + again_bytes / read_bytes
        self._weight = self._weight * self._keep + 1.0

    @property
    def value(self) -> float | None:
        """From 0 to 1; None before the first batch with data."""
        if not self._weight:
            return None
        return round((PRIOR_AGAIN + self._again) / (PRIOR_AGAIN + PRIOR_ONCE + self._weight), 6)
