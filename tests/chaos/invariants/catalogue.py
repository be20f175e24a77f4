"""All invariants that there are, made anew for each run. That status converges within a stated time is the runner's."""

from chaos.invariants.audit_whole import AuditWhole
from chaos.invariants.base import Invariant
from chaos.invariants.bounded import Bounded
from chaos.invariants.exactly_once import ExactlyOnce
from chaos.invariants.no_leaks import NoLeaks
from chaos.invariants.one_driver import OneDriver


def invariants() -> list[Invariant]:
    return [OneDriver(), ExactlyOnce(), AuditWhole(), NoLeaks(), Bounded()]
