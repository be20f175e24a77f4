"""What out-of-distribution detection is worth: false alarms on days that nobody trained on, alarms where something
shifted.

Shifts are of the world (another cluster, another query, another objective) or of what is measured of it. Beside the
rate of the ranges alone stands that of all that an operator checks.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sparkiot_policies.learned import LearnedPolicy
from sparkiot_policies.observation import Observation
from sparkiot_policies.rules import rule
from sparkiot_sim.calibration import Calibration, Constant
from sparkiot_sim.episode import Cycle, Run
from sparkiot_sim.generators import DAY_S, HOUR_S, Kind
from sparkiot_sim.setting import Setting, standard_setting

PRESETS = ("edge-small", "cloud-coldstart", "spot", "calibrated")
SEED = 9001
"""Of days that neither training nor any other evaluation plays."""
SHIFTED_S = HOUR_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """How often an alarm was raised. by_range: decisions with an element outside of its range. decisions: with an alarm
    of any kind, of so many ``seen``. runs: with an alarm in any decision, of so many ``played``."""

    name: str
    by_range: int
    decisions: int
    seen: int
    runs: int
    played: int

    def __str__(self) -> str:
        return (
            f"{self.name}: ranges {self.by_range / self.seen:.2%}, all {self.decisions / self.seen:.2%} "
            f"of {self.seen} decisions; {self.runs} of {self.played} runs"
        )


def false_alarms(policy: LearnedPolicy) -> Alarms:
    """On whole days of each example job and preset."""
    return _alarms("held-out days", policy, [list(_play(policy, setting)) for setting in _settings(DAY_S)])


def shifted(policy: LearnedPolicy) -> Iterator[Alarms]:
    """Where something shifted, one after the other."""
    for name, shift in WORLDS.items():
        yield _alarms(name, policy, [list(_play(policy, shift(setting))) for setting in _settings(SHIFTED_S)])
    healthy = [list(_play(policy, setting)) for setting in _settings(SHIFTED_S)]
    for name, spoil in MEASURED.items():
        spoilt = [[_spoilt(cycle, spoil) for cycle in cycles] for cycles in healthy]
        yield _alarms(name, policy, spoilt)


def _settings(duration_s: float) -> Iterator[Setting]:
    for preset in PRESETS:
        for kind in Kind:
            yield replace(standard_setting(kind, seed=SEED, preset=preset), duration_s=duration_s)


def _play(policy: LearnedPolicy, setting: Setting) -> Iterator[Cycle]:
    run = Run(job=setting.job, simulated=setting.simulated(), policy=policy, fallback=rule("Rate"), start=setting.start)
    return iter(run.cycles(setting.duration_s))


def _alarms(name: str, policy: LearnedPolicy, runs: Sequence[Sequence[Cycle]]) -> Alarms:
    found = [[policy.unfamiliar(cycle.evaluation) for cycle in cycles] for cycles in runs]
    together = [[bool(strange) for strange in run] for run in found]
    ranged = [[bool(policy.outside(cycle.evaluation.observation)) for cycle in cycles] for cycles in runs]
    return Alarms(
        name=name,
        by_range=sum(map(sum, ranged)),
        decisions=sum(map(sum, together)),
        seen=sum(map(len, found)),
        runs=sum(map(any, together)),
        played=len(found),
    )


def _spoilt(cycle: Cycle, spoil: Callable[[Observation], Observation]) -> Cycle:
    return replace(cycle, evaluation=replace(cycle.evaluation, observation=spoil(cycle.evaluation.observation)))


def _times(constant: Constant, factor: float) -> Constant:
    return constant.model_copy(update={"value": constant.value * factor})


def _calibrated(change: Callable[[Calibration, str], Calibration]) -> Callable[[Setting], Setting]:
    return lambda setting: replace(setting, calibration=change(setting.constants, setting.preset))


def _fixed_cost(calibration: Calibration, _preset: str) -> Calibration:
    batch = calibration.batch.model_copy(update={"fixed_s": _times(calibration.batch.fixed_s, 10)})
    return calibration.model_copy(update={"batch": batch})


def _no_sharing(calibration: Calibration, _preset: str) -> Calibration:
    exponent = calibration.batch.scaling_exponent.model_copy(update={"value": 0.2})
    return calibration.model_copy(update={"batch": calibration.batch.model_copy(update={"scaling_exponent": exponent})})


def _slow_starts(calibration: Calibration, preset: str) -> Calibration:
    old = calibration.preset(preset)
    slow = old.model_copy(update={"startup_s": old.startup_s.model_copy(update={"value": 600.0})})
    return calibration.model_copy(update={"presets": {preset: slow}})


def _profile(**factors: float) -> Callable[[Setting], Setting]:
    def shift(setting: Setting) -> Setting:
        changed = {name: getattr(setting.profile, name) * factor for name, factor in factors.items()}
        return replace(setting, profile=replace(setting.profile, **changed))

    return shift


def _target(setting: Setting, factor: float) -> Setting:
    objectives = setting.job.objectives
    objectives = replace(objectives, latency_target_ms=objectives.latency_target_ms * factor)
    return replace(setting, job=replace(setting.job, objectives=objectives))


def _scaled(names: Sequence[str], factor: float) -> Callable[[Observation], Observation]:
    def spoil(observation: Observation) -> Observation:
        known = {name: getattr(observation, name) for name in names}
        return replace(observation, **{name: value * factor for name, value in known.items() if value is not None})

    return spoil


NEEDS = ("required", "required_ahead", "required_next", "required_peak")
WORLDS: Mapping[str, Callable[[Setting], Setting]] = {
    "executors that hardly share work (exponent 0.2)": _calibrated(_no_sharing),
    "fixed cost of a batch 10 times": _calibrated(_fixed_cost),
    "executors that start in 10 minutes": _calibrated(_slow_starts),
    "state 40 times": _profile(state_mib=40.0),
    "shuffle 3 times": _profile(shuffle_fraction=3.0),
    "a latency target 20 times as long": lambda setting: _target(setting, 20.0),
    "load 10 times": lambda setting: replace(
        setting, workload=setting.workload.scaled(10 * setting.workload.mean_rate)
    ),
}
MEASURED: Mapping[str, Callable[[Observation], Observation]] = {
    "processor use always 0": lambda observation: replace(observation, cpu=0.0),
    "memory use always 100 %": lambda observation: replace(observation, memory=100.0),
    "running executors counted 5 times": _scaled(("running",), 5.0),
    "load told 100 times too low": _scaled(NEEDS, 0.01),
    "load told 100 times too high": _scaled(NEEDS, 100.0),
}
