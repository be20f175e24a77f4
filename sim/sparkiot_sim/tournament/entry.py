"""Who plays: a policy under a name, the reward weights that it is given, and what is taken from it."""

from dataclasses import dataclass

from sparkiot_policies import library
from sparkiot_policies.allocation import Tier
from sparkiot_policies.artifact import load_artifact
from sparkiot_policies.errors import ArtifactError, PolicyError
from sparkiot_policies.learned import LearnedMetaController, LearnedPolicy
from sparkiot_policies.objectives import SCENARIO_WEIGHTS, Scenario, Weights
from sparkiot_policies.policy import MetaController, Policy
from sparkiot_policies.rules import RULES, names_rule, rule

BALANCED = SCENARIO_WEIGHTS[Scenario.BALANCED]
META = "default-meta"
"""The meta-controller of an entry that leaves its weights to one and names none."""
BALANCED_SETTING = f"weights={Scenario.BALANCED}"
WEIGHTS, META_KNOB = "weights", "meta"
ORACLE = "oracle"
"""Name of the limit's rows: what somebody who knows the whole load in advance would pay."""
PARTS = ("cost", "latency", "throughput")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the program.

    name: of its rows. policy: see ``entrant``. signal: quality of its edge signals; None for the tournament's. delay:
    how many decision intervals late it sees its job and its edge. tier: the only shuffle tier that it may use; None for
    all that the job allows.
    """

    name: str
    policy: str
    signal: str | None = None
    delay: int = 0
    tier: Tier | None = None

    @classmethod
    def of(cls, reference: str) -> "Entry":
        """A policy under its own name, with nothing taken from it."""
        return cls(name=reference, policy=reference)


LIMIT = Entry.of(ORACLE)
"""Not a policy but the bound that none can pass; it is solved, once a round, and not played."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """What an entry's policy is. weights: the reward weights of its job; None leaves them to ``meta``."""

    policy: Policy
    weights: Weights | None = BALANCED
    meta: MetaController | None = None

    @property
    def learned(self) -> bool:
        return isinstance(self.policy, LearnedPolicy)


def entrant(reference: str) -> Entrant:
    """The policy that a reference names.

    A rule with its settings (``Rate``, ``Rate:utilization=0.8``), or a shipped policy or the path of an artifact with
    its reward weights: ``default``, ``default:weights=HealthcareCritical``, ``default:cost=0.6:latency=0.3:throughput=
    0.1``, ``default:weights=Auto`` for those of the meta-controller, ``default:weights=Auto:meta=FOLDER`` for those of
    another. Weights are the equal ones where nothing is said; rules do not read them.
    Raises PolicyError for anything else.
    """
    if names_rule(reference):
        return Entrant(policy=rule(reference))
    name, *settings = reference.split(":")
    knobs = _knobs(reference, settings)
    try:
        folder = library.locate(name)
    except ArtifactError as error:
        raise PolicyError(f"{error}; rules: {', '.join(RULES)}") from None
    policy = LearnedPolicy(load_artifact(folder))
    if not knobs:
        return Entrant(policy=policy)
    if set(knobs) == set(PARTS):
        return Entrant(policy=policy, weights=_explicit(reference, knobs))
    scenario, meta = knobs.pop(WEIGHTS, None), knobs.pop(META_KNOB, None)
    if scenario is None or knobs or (meta and scenario != Scenario.AUTO):
        raise PolicyError(
            f"{reference}: a learned policy takes weights=SCENARIO, weights=Auto with or without meta=POLICY, or all of"
            f" {', '.join(f'{part}=SHARE' for part in PARTS)}"
        )
    if scenario not in tuple(Scenario):
        raise PolicyError(f"{reference}: scenario {scenario!r} is unknown; known: {', '.join(Scenario)}")
    if scenario == Scenario.AUTO:
        return Entrant(policy=policy, weights=None, meta=LearnedMetaController(library.load(meta or META)))
    return Entrant(policy=policy, weights=SCENARIO_WEIGHTS[Scenario(scenario)])


def _knobs(reference: str, settings: list[str]) -> dict[str, str]:
    pairs = [setting.partition("=") for setting in settings]
    knobs = {name: value for name, _, value in pairs}
    if len(knobs) < len(pairs) or not all(name and sign and value for name, sign, value in pairs):
        raise PolicyError(f"{reference}: settings have the form name=value, after a colon each, and none occurs twice")
    return knobs


def _explicit(reference: str, knobs: dict[str, str]) -> Weights:
    try:
        return Weights(*(float(knobs[part]) for part in PARTS))
    except ValueError as error:
        raise PolicyError(f"{reference}: {error}") from error
