"""Executors that have to end with notice, as in a drain of their node: replaced, and no reason to change anything."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from support_jobs import Scripted, allocation

from sparkiot_policies.decision import ClampCode, FallbackCode
from sparkiot_policies.job import ExcludedPeriod
from sparkiot_policies.rules import Rate
from sparkiot_sim.episode import Cycle, Run
from sparkiot_sim.generators import Kind
from sparkiot_sim.setting import Setting, standard_setting

CALM = 30
"""Decisions before something happens."""


def setting() -> Setting:
    found = standard_setting(Kind.SMART_CITY, seed=4, mean_rate=300.0, quality="none", duration_s=7200.0)
    return replace(found, job=replace(found.job, initial=allocation(8, gib=4)))


def run(*, drained: int) -> tuple[Run, list[Cycle]]:
    """Half an hour with eight executors wanted throughout, of which some have to end after five minutes."""
    chosen = setting()
    found = Run(
        job=chosen.job,
        simulated=chosen.simulated(),
        policy=Scripted(allocation(8, gib=4)),
        fallback=Rate(),
        start=chosen.start,
    )
    cycles = [found.cycle() for _ in range(CALM)]
    if drained:
        found.simulated.drain(drained)
    return found, cycles + [found.cycle() for _ in range(150)]


def test_drained_executors_are_replaced_and_nothing_else_happens() -> None:
    played, cycles = run(drained=4)
    first, last = cycles[CALM].measurement, cycles[-1].measurement
    assert (first.running, first.pending, first.leaving) == (4, 4, 4)
    assert (last.running, last.pending, last.leaving) == (8, 0, 0)
    assert sum(cycle.measurement.lost_executors for cycle in cycles) == 0
    assert {cycle.decision.allocation.executors for cycle in cycles} == {8}
    assert played.simulated.allocation.executors == 8
    assert all(cycle.decision.fallback is None for cycle in cycles)


def test_the_replacements_cost_what_they_run_beside_those_that_go() -> None:
    quiet, drained = (run(drained=count)[0].simulated.cost_dollars for count in (0, 4))
    assert quiet < drained < 1.05 * quiet


def test_a_scale_up_is_not_called_ineffective_when_its_executors_were_drained() -> None:
    """Four more are asked for under overload and drained as they come: their part of the processing rate is missing
    for a while, which says nothing of what they are worth."""
    chosen = standard_setting(Kind.SMART_CITY, seed=4, mean_rate=1500.0, quality="none", duration_s=7200.0)
    chosen = replace(chosen, job=replace(chosen.job, initial=allocation(4, gib=4)))
    codes: dict[bool, set[FallbackCode | None]] = {}
    for drains in (False, True):
        policy = Scripted(*[allocation(4, gib=4)] * 20, allocation(8, gib=4))
        found = Run(job=chosen.job, simulated=chosen.simulated(), policy=policy, fallback=Rate(), start=chosen.start)
        seen = set()
        for number in range(60):
            if drains and number >= 27:
                found.simulated.drain(4 if number % 4 == 0 else 0)
            seen.add(found.cycle().decision.fallback)
        codes[drains] = seen
    assert codes == {False: {None}, True: {None}}


def test_nothing_is_scaled_in_an_excluded_period_and_all_of_it_is_after() -> None:
    chosen = setting()
    ends = chosen.start + 600
    clock = datetime.fromtimestamp(ends, tz=UTC)
    night = ExcludedPeriod(start=(clock - timedelta(hours=2)).time(), end=clock.time())
    job = replace(chosen.job, limits=replace(chosen.job.limits, excluded=(night,)))
    found = Run(
        job=job,
        simulated=chosen.simulated(),
        policy=Scripted(allocation(12, gib=4)),
        fallback=Rate(),
        start=chosen.start,
    )
    cycles = [found.cycle() for _ in range(90)]
    within = [cycle for cycle in cycles if cycle.decision.time < ends]
    assert {cycle.decision.allocation.executors for cycle in within} == {8}
    assert {clamp.code for cycle in within for clamp in cycle.decision.clamps} == {ClampCode.EXCLUDED_PERIOD}
    assert cycles[len(within)].decision.allocation.executors == 12
    assert cycles[-1].measurement.running == 12
