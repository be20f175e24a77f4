"""Hypothesis strategies for everything that a decision reads, extreme and missing values included."""

from hypothesis import strategies as st
from support_jobs import NOW, UNKNOWN

from sparkiot_policies.allocation import COMPRESSIONS, TIERS, Allocation
from sparkiot_policies.decision import FallbackCode
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.history import NEVER, Fallback, History, Proposal, ScaleUp
from sparkiot_policies.job import WEEKDAYS, ExcludedPeriod, Job, Limits, Mode, Prices
from sparkiot_policies.objectives import Objectives, Weights
from sparkiot_policies.observation import ELEMENTS, Observation

finite = st.floats(allow_nan=False, allow_infinity=False)
seconds = st.floats(0, 1e5)
past = st.one_of(st.just(NEVER), st.floats(NOW - 4000, NOW))
maybe = st.one_of(st.none(), st.floats(0, 1e12))
allocations = st.builds(
    Allocation,
    executors=st.integers(1, 60),
    memory_mib=st.integers(256, 16384),
    tier=st.sampled_from(TIERS),
    compression=st.sampled_from(COMPRESSIONS),
)
observations = st.builds(Observation, **{e.name: st.one_of(st.none(), finite) for e in ELEMENTS})
periods = st.builds(
    ExcludedPeriod,
    start=st.times(),
    end=st.times(),
    days=st.frozensets(st.sampled_from(WEEKDAYS)),
    time_zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
)


@st.composite
def weights(draw: st.DrawFn) -> Weights:
    parts = [draw(st.integers(0, 100)) for _ in range(3)]
    total = sum(parts)
    return Weights(*(p / total for p in parts)) if total else Weights(1.0, 0.0, 0.0)


@st.composite
def limits(draw: st.DrawFn) -> Limits:
    executors = sorted(draw(st.tuples(st.integers(1, 40), st.integers(1, 40))))
    memory = sorted(draw(st.tuples(st.integers(512, 12288), st.integers(512, 12288))))
    return Limits(
        min_executors=executors[0],
        max_executors=executors[1],
        override=draw(st.one_of(st.none(), st.none(), st.integers(1, 60))),
        min_memory_mib=memory[0],
        max_memory_mib=memory[1],
        tiers=tuple(draw(st.sets(st.sampled_from(TIERS), min_size=1))),
        compressions=tuple(draw(st.sets(st.sampled_from(COMPRESSIONS), min_size=1))),
        max_up_factor=draw(st.one_of(st.just(float("inf")), st.floats(1.01, 10))),
        max_up_step=draw(st.integers(1, 40)),
        max_down_factor=draw(st.floats(0.01, 1)),
        stabilization_s=draw(seconds),
        cooldown_up_s=draw(seconds),
        cooldown_down_s=draw(seconds),
        cooldown_shuffle_s=draw(seconds),
        restart_min_interval_s=draw(seconds),
        restart_cost_s=draw(seconds),
        restart_horizon_s=draw(seconds),
        excluded=draw(st.one_of(st.just(()), st.tuples(periods))),
    )


jobs = st.builds(
    Job,
    name=st.text(min_size=1, max_size=8),
    initial=allocations,
    mode=st.sampled_from(Mode),
    objectives=st.builds(
        Objectives, weights=st.one_of(st.none(), weights()), budget_per_hour=st.one_of(st.none(), st.floats(0.01, 30))
    ),
    limits=limits(),
    prices=st.builds(Prices, executor_hour=st.floats(0, 5), gib_hour=st.floats(0, 5)),
)
histories = st.builds(
    History,
    since=st.floats(NOW - 1e5, NOW),
    allocation=allocations,
    scaled_up=past,
    scaled_down=past,
    shuffled=past,
    restarted=past,
    proposals=st.lists(st.builds(Proposal, st.floats(NOW - 600, NOW), st.integers(1, 60)), max_size=4).map(tuple),
    last_scale_up=st.one_of(st.none(), st.builds(ScaleUp, past, st.integers(1, 60), maybe, maybe)),
    fallback=st.one_of(st.none(), st.builds(Fallback, st.sampled_from(FallbackCode), st.text(max_size=8), past)),
    weights=st.one_of(st.none(), weights()),
)
evaluations = st.builds(
    Evaluation,
    now=st.just(NOW),
    observation=observations,
    context=st.just(UNKNOWN),
    weights=weights(),
    history=histories,
    signal_fresh=st.one_of(st.none(), st.booleans()),
    backlog_growing=st.one_of(st.none(), st.booleans()),
    processing_rate=maybe,
    running=st.one_of(st.none(), st.integers(0, 60)),
    pending=st.one_of(st.none(), st.integers(0, 60)),
    unschedulable=st.integers(0, 2),
    quota_executors=st.one_of(st.none(), st.integers(0, 40)),
    leaving=st.integers(0, 2),
    disrupted=st.booleans(),
    out_of_memory=st.integers(0, 1),
    restart_cost_s=st.one_of(st.none(), seconds),
    age_s=st.one_of(st.just(0.0), st.just(float("inf")), st.floats(0, 100)),
)
