"""The rule-based policies by name: fallback rules and rivals of the learned policy, one module each."""

from collections.abc import Callable, Mapping

from sparkiot_policies.errors import PolicyError
from sparkiot_policies.policy import Policy

from .dexter import Dexter
from .fixed import Fixed
from .hpa import HPA
from .rate import Rate
from .rate_ahead import RateAhead
from .seer import Seer

__all__ = ["HPA", "RULES", "Dexter", "Fixed", "Rate", "RateAhead", "Seer", "rule"]

RULES: Mapping[str, Callable[[], Policy]] = {
    "Fixed": Fixed,
    "HPA": HPA,
    "Rate": Rate,
    "RateAhead": RateAhead,
    "Dexter": Dexter,
    "Seer": Seer,
}


def rule(name: str) -> Policy:
    """A rule with its default settings. Raises PolicyError for an unknown name."""
    try:
        return RULES[name]()
    except KeyError:
        raise PolicyError(f"rule {name!r} is unknown; known: {', '.join(RULES)}") from None
