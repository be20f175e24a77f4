"""The numbers of the learned predictor, from generated loads: `python -m sparkiot_operator.edge_quality.fit`.

A week of each kind would say no more than days of several seeds; none of these seeds is used to evaluate.
"""

import sys
from importlib.resources import files
from pathlib import Path

import numpy as np

from sparkiot_edge.predictors import temporal
from sparkiot_edge.predictors.base import Timing
from sparkiot_edge.predictors.features import NAMES, FeatureExtractor, values
from sparkiot_edge.predictors.temporal import Numbers
from sparkiot_sim.generators import DAY_S, Kind, generate
from sparkiot_sim.workload import Workload

from .runs import Array, measure, merged_bursts, overlaps, peaks

TIMING = Timing(interval_s=1.0, horizon_s=60.0)
SEEDS = (11, 12, 13, 14)
MEAN_RATE = 300.0
EVERY = 7
"""One moment in so many is fitted on: the next second says what this one said."""
RIDGE = 1e-3
"""Penalty on squared weights of standardised features, for each sample: features say similar things."""
ALARM, CLEAR = 0.85, 0.4
"""The best harmonic mean of bursts announced and precision over SEEDS lies between 0.5 and 0.9; of these the higher, as
a false alarm costs executors for a minute."""
DIGITS = 4
"""Decimals of the shipped numbers: more of them would be noise, and differ from machine to machine."""


def main() -> None:
    target = Path(str(files(temporal.__package__).joinpath(temporal.FILE)))
    target.write_text(fit(training_loads()).to_json(), encoding="utf-8")
    sys.stdout.write(f"written: {target}\n")


def training_loads() -> list[Workload]:
    return [generate(kind, mean_rate=MEAN_RATE, duration_s=DAY_S, seed=seed) for kind in Kind for seed in SEEDS]


def fit(loads: list[Workload]) -> Numbers:
    samples = [_samples(load, seed=seed) for seed, load in enumerate(loads)]
    features, bursts, growth = (np.concatenate(parts) for parts in zip(*samples, strict=True))
    intercept, weights = logistic(features, bursts)
    columns = np.column_stack((np.ones(len(features)), features))
    line = np.linalg.lstsq(columns, growth)[0]
    return Numbers(
        intercept=round(intercept, DIGITS),
        weights=_rounded(weights),
        growth_intercept=round(float(line[0]), DIGITS),
        growth_weights=_rounded(line[1:]),
        alarm=ALARM,
        clear=CLEAR,
    )


def logistic(features: Array, outcome: Array) -> tuple[float, Array]:
    """Intercept and weights of a logistic regression with a ridge, by Newton's method."""
    mean, spread = features.mean(axis=0), features.std(axis=0)
    columns = np.column_stack((np.ones(len(features)), (features - mean) / spread))
    penalty = RIDGE * len(features) * np.append(0.0, np.ones(len(mean)))
    found = np.zeros(columns.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-np.clip(columns @ found, -30, 30)))
        slope = columns.T @ (chance - outcome) + penalty * found
        curve = (columns * (chance * (1 - chance))[:, None]).T @ columns + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        found = found - step
        if np.abs(step).max() < 1e-9:
            break
    weights: Array = found[1:] / spread
    return float(found[0] - weights @ mean), weights


def _samples(load: Workload, *, seed: int) -> tuple[Array, Array, Array]:
    """Features, whether load is in a burst within the horizon, and the logarithm of the highest rate over this one."""
    times, rates = measure(load, TIMING, seed=seed)
    extractor = FeatureExtractor(TIMING)
    rows, at, present = [], [], []
    for index, (rate, now) in enumerate(zip(rates.tolist(), times.tolist(), strict=True)):
        found = extractor.observe(rate, now=now)
        if found is not None and index % EVERY == 0 and extractor.short_mean > 0:
            rows.append(values(found))
            at.append(now)
            present.append(extractor.short_mean)
    chosen = np.array(at)
    bursts = overlaps(merged_bursts(load, TIMING.horizon_s), chosen, TIMING.horizon_s)
    growth = np.log(np.maximum(peaks(load, chosen, TIMING), 1e-9) / np.array(present))
    return np.array(rows).reshape(-1, len(NAMES)), bursts.astype(float), growth


def _rounded(weights: Array) -> tuple[float, ...]:
    return tuple(round(float(weight), DIGITS) for weight in weights)


if __name__ == "__main__":
    main()
