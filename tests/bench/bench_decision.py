"""How much a learned decision costs beside a numpy forward pass of the same network.

PYTHONPATH=tests python tests/bench/bench_decision.py

The bar is a ratio of at most 20. The decision includes reading the observation, the checks and the allocation.
"""

import tempfile
import timeit
from collections.abc import Callable
from pathlib import Path

import numpy as np
from support_jobs import job
from support_policies import observed, random_mlp

from sparkiot_policies.artifact import load_artifact, write_artifact
from sparkiot_policies.features import Feature
from sparkiot_policies.learned import LearnedPolicy
from sparkiot_policies.observation import ELEMENTS, Observation, names

BAR = 20
ROUNDS = 7
CALLS = 2000


def best(function: Callable[[], object]) -> float:
    """Seconds of one call, in the best of several rounds."""
    return min(timeit.repeat(function, number=CALLS, repeat=ROUNDS)) / CALLS


def main() -> None:
    asked = job()
    evaluation = observed(Observation(**{e.name: e.high / 2 for e in ELEMENTS}))
    features = tuple(
        Feature(element=name, transform="log1p" if i % 2 else "linear", scale=0.01, low=0, high=10)
        for i, name in enumerate(names(2))
    )
    for label, version, used in (("raw, version 1", 1, ()), ("31 features, version 2", 2, features)):
        size = len(names(version))
        network = random_mlp(size, 64, 64, 35)
        with tempfile.TemporaryDirectory() as folder:
            write_artifact(
                Path(folder), name="bench", kind="ppo", weights=network, observation_schema=version, features=used
            )
            policy = LearnedPolicy(load_artifact(Path(folder)))
        x = np.ones((1, size), dtype=np.float32)
        weights = [(layer.weight.T.copy(), layer.bias) for layer in network.layers]

        def forward(x: np.ndarray = x, weights: list[tuple[np.ndarray, np.ndarray]] = weights) -> np.ndarray:
            """The same network in numpy, in single precision."""
            for weight, bias in weights[:-1]:
                x = np.tanh(x @ weight + bias)
            weight, bias = weights[-1]
            return x @ weight + bias

        decision = best(lambda policy=policy: policy.propose(asked, evaluation))
        passed = best(forward)
        print(
            f"{label}: decision {decision * 1e6:.1f} us, numpy forward {passed * 1e6:.1f} us,"
            f" ratio {decision / passed:.1f} (bar {BAR})"
        )


if __name__ == "__main__":
    main()
