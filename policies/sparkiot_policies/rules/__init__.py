"""The rule-based policies: fallback rules and rivals of the learned policy, one module each.

A reference names one and, where it shall differ from its defaults, its parameters: ``Rate``, ``Rate:utilization=0.8``,
``HPA:target=60:tolerance=0.05``.
"""

from collections.abc import Mapping

from sparkiot_policies.errors import PolicyError

from .base import Rule, Sweep
from .dexter import Dexter
from .fixed import Fixed
from .hpa import HPA
from .parameters import Value, parameters
from .rate import Rate
from .rate_ahead import RateAhead
from .seer import Seer

__all__ = [
    "HPA",
    "RULES",
    "SWEEPS",
    "Dexter",
    "Fixed",
    "Rate",
    "RateAhead",
    "Rule",
    "Seer",
    "Sweep",
    "names_rule",
    "rule",
    "swept",
]

RULES: Mapping[str, type[Rule]] = {kind.NAME: kind for kind in (Fixed, HPA, Rate, RateAhead, Dexter, Seer)}
SWEEPS: Mapping[str, Sweep] = {name: kind.SWEEP for name, kind in RULES.items()}
"""Over which parameter and values each rule is swept, so that rivals are compared by their whole fronts."""


def names_rule(reference: str) -> bool:
    """Whether a reference is meant for a rule, whatever it says of the rule's parameters."""
    return reference.partition(":")[0] in RULES


def rule(reference: str) -> Rule:
    """The rule of ``NAME`` or ``NAME:PARAMETER=VALUE:…``.

    Raises PolicyError for an unknown rule or parameter, and for a value that is out of bounds; the message lists what
    is known or allowed.
    """
    name, *settings = reference.split(":")
    kind = RULES.get(name)
    if kind is None:
        raise PolicyError(f"rule {name!r} is unknown; known: {', '.join(RULES)}")
    try:
        return kind(**_given(kind, settings))
    except ValueError as error:
        raise PolicyError(f"rule {name}: {error}") from None


def swept(name: str) -> tuple[str, ...]:
    """The references of a rule's whole sweep, in order: ``Rate:utilization=0.5`` and so on."""
    sweep = RULES[name].SWEEP
    return tuple(f"{name}:{sweep.parameter}={value:g}" for value in sweep.values)


def _given(kind: type[Rule], settings: list[str]) -> dict[str, Value]:
    known = {p.name: p for p in parameters(kind)}
    given: dict[str, Value] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise ValueError(f"{setting!r} is not PARAMETER=VALUE; parameters: {', '.join(known)}")
        if name not in known:
            raise ValueError(f"parameter {name!r} is unknown; known: {', '.join(known)}")
        if name in given:
            raise ValueError(f"parameter {name!r} is given twice")
        given[name] = known[name].read(text)
    return given
