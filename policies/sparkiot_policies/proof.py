"""The proof that an imported graph decides as its archive's weights do.

Both sides get the same observations: the graph in single precision, the archive's weights in double precision in
numpy. They may differ by what single precision loses and by nothing else, and that loss is bounded layer by layer
(probabilistic rounding analysis: Higham and Mary, SIAM J. Sci. Comput. 41(5), 2019).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .allocation import ACTION_SIZES
from .errors import ArtifactError
from .features import Features
from .graph import MIN_WEIGHT, Kind
from .inference import Session
from .mlp import Doubles, Mlp
from .observation import ELEMENTS
from .options import ExecutorOptions

UNIT = 2.0**-24
"""Relative rounding error of one single-precision operation."""
CONFIDENCE = 8.0
"""Standard deviations of accumulated rounding that the bound allows for."""
ACTIVATION_ERROR = 16 * UNIT
"""Absolute error of the runtime's activation functions."""
STEEPEST = 1.1
"""The largest slope of any activation (SiLU's)."""

CONTEXT_BOUNDS = {
    "rate_mean": (0.0, 1000.0),
    "rate_spread": (0.0, 2.0),
    "latency_ratio": (0.0, 10.0),
    "attainment": (0.0, 1.0),
    "budget_burn": (0.0, 2.0),
    "quantile": (0.0, 1.0),
    "budgeted": (0.0, 1.0),
    "recent": (0.0, 1.0),
}
BOUNDS = {e.name: (e.low, e.high) for e in ELEMENTS} | CONTEXT_BOUNDS


@dataclass(frozen=True, slots=True)
class Proof:
    """How far a graph and its archive agree.

    samples: observations tried, edge cases included. ties: those where two choices lie closer than single precision
    can tell apart, and the graph took the other one. difference: the largest between logits (or weights).
    """

    samples: int
    seed: int
    ties: int
    difference: float


def prove(
    session: Session,
    *,
    kind: Kind,
    network: Mlp,
    features: Features,
    options: ExecutorOptions | None = None,
    samples: int,
    seed: int,
) -> Proof:
    """Compare on ``samples`` observations drawn uniformly from their bounds, and on the bounds' corners.

    Raises ArtifactError when any differs by more than rounding.
    """
    x = observations(features.elements, samples=samples, seed=seed)
    seen = features.apply(x).astype(np.float64)
    expected, tolerance = _forward(network, seen)
    if kind == "ppo":
        action, logits = session.run(["action", "logits"], x)
        difference = _compare(logits, expected, tolerance, x)
        chosen = _chosen(action, logits, options, x)
        return Proof(len(x), seed, _ties(chosen, expected, tolerance, x), difference)
    (weights,) = session.run(["weights"], x)
    raw = (np.tanh(expected) + 1) / 2 + MIN_WEIGHT
    total = raw.sum(axis=1, keepdims=True)
    bound = 2 * (tolerance.max(axis=1, keepdims=True) + ACTIVATION_ERROR) / total
    return Proof(len(x), seed, 0, _compare(weights, raw / total, np.broadcast_to(bound, raw.shape), x))


def observations(elements: tuple[str, ...], *, samples: int, seed: int) -> npt.NDArray[np.float32]:
    """Random observations, then all low, all high, all zero, and each element alone at its low and high."""
    low, high = (np.array([BOUNDS[e][i] for e in elements]) for i in (0, 1))
    drawn = np.random.default_rng(seed).uniform(low, high, (samples, len(elements)))
    middle = np.tile((low + high) / 2, (len(elements), 1))
    alone = [np.where(np.eye(len(elements), dtype=bool), bound, middle) for bound in (low, high)]
    return np.concatenate([drawn, [low, high, np.zeros_like(low)], *alone]).astype(np.float32)


def _forward(network: Mlp, x: Doubles) -> tuple[Doubles, Doubles]:
    """The outputs in double precision, and how far single precision may be from each."""
    y, error = x, 2 * UNIT * np.abs(x)
    for i, layer in enumerate(network.layers):
        if i:
            y = network.activate(y)
            error = STEEPEST * error + ACTIVATION_ERROR * (1 + np.abs(y))
        weight = layer.weight.T.astype(np.float64)
        magnitude = np.abs(y) @ np.abs(weight) + np.abs(layer.bias)
        error = error @ np.abs(weight) + CONFIDENCE * np.sqrt(len(weight) + 1) * UNIT * magnitude
        y = y @ weight + layer.bias
    return y, error


def _compare(
    found: npt.NDArray[np.float32], expected: Doubles, tolerance: Doubles, x: npt.NDArray[np.float32]
) -> float:
    difference = np.abs(found - expected)
    if not (difference <= tolerance).all():
        row = int(np.argmax(~(difference <= tolerance).all(axis=1)))
        raise ArtifactError(
            f"the converted graph differs from the archive at observation {x[row].tolist()}:"
            f" by {difference[row].max():.3g}, where rounding explains {tolerance[row].max():.3g}"
        )
    return float(difference.max())


def _chosen(
    action: npt.NDArray[np.int64],
    logits: npt.NDArray[np.float32],
    options: ExecutorOptions | None,
    x: npt.NDArray[np.float32],
) -> npt.NDArray[np.int64]:
    """What the graph chose in each part, once its executors are proved to be what that choice stands for."""
    if options is None or not options.options:
        return action
    chosen = action.copy()
    chosen[:, 0] = logits[:, : ACTION_SIZES[0]].argmax(axis=1)
    if (wrong := (options.apply(x, chosen) != action).any(axis=1)).any():
        row = int(np.argmax(wrong))
        raise ArtifactError(f"the converted graph's executors are not its option's at observation {x[row].tolist()}")
    return chosen


def _ties(action: npt.NDArray[np.int64], logits: Doubles, tolerance: Doubles, x: npt.NDArray[np.float32]) -> int:
    """How many observations got another action because two logits are equal within rounding."""
    tied = np.zeros(len(action), dtype=bool)
    rows = np.arange(len(action))
    start = 0
    for column, size in enumerate(ACTION_SIZES):
        part, allowed = logits[:, start : start + size], tolerance[:, start : start + size]
        best, chosen = part.argmax(axis=1), action[:, column]
        gap = part[rows, best] - part[rows, chosen]
        beyond = gap > allowed[rows, best] + allowed[rows, chosen]
        if beyond.any():
            row = int(np.argmax(beyond))
            raise ArtifactError(
                f"the converted graph chooses {chosen[row]} for action {column}, the archive {best[row]},"
                f" at observation {x[row].tolist()}"
            )
        tied |= best != chosen
        start += size
    return int(tied.sum())
