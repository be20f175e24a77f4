"""Learned policies: what they need, what they refuse, and that they say what their graph says."""

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_jobs import job
from support_policies import observed, policy_artifact, random_artifact, random_mlp

from sparkiot_policies.allocation import ACTION_SIZES, Allocation
from sparkiot_policies.artifact import load_artifact, write_artifact
from sparkiot_policies.errors import ArtifactError, ObservationMissingError, PolicyError, PolicyMismatchError
from sparkiot_policies.evaluation import Context
from sparkiot_policies.features import Feature
from sparkiot_policies.learned import LearnedMetaController, LearnedPolicy
from sparkiot_policies.library import load, locate, shipped
from sparkiot_policies.manifest import Range
from sparkiot_policies.mlp import Layer, Mlp
from sparkiot_policies.observation import ELEMENTS, SIZES, Observation, names

WHOLE = Observation(**{e.name: e.high / 2 for e in ELEMENTS})
CONTEXT = Context(rate_mean=100, rate_spread=0.2, latency_ratio=0.5, attainment=0.99, budget_burn=0.4)
JOB = job()


def test_it_proposes_its_networks_largest_logits(tmp_path: Path) -> None:
    artifact = policy_artifact(tmp_path / "a")
    policy = LearnedPolicy(artifact)
    logits = random_mlp(13, 32, 35).forward(WHOLE.vector(1)[None])[0]
    starts = np.cumsum((0, *ACTION_SIZES))
    expected = [int(logits[a:b].argmax()) for a, b in itertools.pairwise(starts)]
    assert policy.propose(JOB, observed(WHOLE)) == Allocation.from_action(expected)
    assert (policy.identity.name, policy.identity.digest) == ("test", artifact.manifest.digest)


def test_batches_and_single_decisions_agree(tmp_path: Path) -> None:
    policy = LearnedPolicy(policy_artifact(tmp_path / "a"))
    x = np.random.default_rng(0).uniform(0, 100, (20, 13)).astype(np.float32)
    actions = policy.actions(x)
    for row, action in zip(x, actions, strict=True):
        observation = Observation(**dict(zip(names(1), map(float, row), strict=True)))
        assert policy.propose(JOB, observed(observation)).action == tuple(action.tolist())


@pytest.mark.parametrize("name", names(1))
@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf, 1e39])
def test_a_used_element_that_is_missing_or_no_number_is_refused(
    name: str, value: float | None, artifacts: Path
) -> None:
    policy = LearnedPolicy(load_artifact(artifacts / "plain"))
    with pytest.raises(ObservationMissingError) as error:
        policy.propose(JOB, observed(replace(WHOLE, **{name: value})))
    assert error.value.names == (name,)


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifacts")
    policy_artifact(folder / "plain")
    policy_artifact(folder / "two", features=TWO)
    return folder


TWO = (Feature(element="latency", transform="log1p", scale=0.1), Feature(element="cpu", scale=0.01))


def test_unused_elements_may_be_missing_and_change_nothing(artifacts: Path) -> None:
    policy = LearnedPolicy(load_artifact(artifacts / "two"))
    assert policy.needs() == ("cpu", "latency")
    bare = policy.propose(JOB, observed(Observation(cpu=50.0, latency=700.0)))
    assert bare == policy.propose(JOB, observed(replace(WHOLE, cpu=50.0, latency=700.0)))
    with pytest.raises(ObservationMissingError, match="lacks cpu"):
        policy.propose(JOB, observed(Observation(latency=700.0)))


def test_a_single_feature_is_enough(tmp_path: Path) -> None:
    policy = LearnedPolicy(policy_artifact(tmp_path / "a", features=TWO[:1]))
    policy.propose(JOB, observed(Observation(latency=700.0)))
    with pytest.raises(ObservationMissingError, match="lacks latency"):
        policy.propose(JOB, observed(Observation()))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=13, max_size=13))
def test_any_finite_observation_gives_an_allocation_or_a_policy_error(artifacts: Path, values: list[float]) -> None:
    policy = LearnedPolicy(load_artifact(artifacts / "plain"))
    observation = Observation(**dict(zip(names(1), values, strict=True)))
    try:
        proposal = policy.propose(JOB, observed(observation))
    except PolicyError:
        return
    assert 1 <= proposal.executors <= 20


def test_overflow_inside_of_the_network_is_an_error_not_an_action(tmp_path: Path) -> None:
    weight = np.zeros((35, 13), dtype=np.float32)
    weight[0, 0] = 3e38
    network = Mlp((Layer(weight, np.zeros(35, dtype=np.float32)),), random_mlp(1, 1).activation)
    write_artifact(tmp_path / "a", name="x", kind="ppo", weights=network)
    with pytest.raises(PolicyError, match="policy x gave NaN or infinity"):
        LearnedPolicy(load_artifact(tmp_path / "a")).propose(JOB, observed(WHOLE))


def test_a_batch_with_a_value_that_is_no_number_is_refused(artifacts: Path) -> None:
    policy = LearnedPolicy(load_artifact(artifacts / "two"))
    for position, value in ((2, math.nan), (4, math.inf)):
        x = np.ones((3, 13), dtype=np.float32)
        x[1, position] = value
        with pytest.raises(PolicyError, match="policy test was given NaN or infinity"):
            policy.actions(x)


def test_unfamiliar_elements_are_those_beyond_their_training_range_and_a_margin(tmp_path: Path) -> None:
    ranges = {"cpu": Range(low=0, high=100), "latency": Range(high=1000), "temperature": Range()}
    policy = LearnedPolicy(policy_artifact(tmp_path / "a", ranges=ranges))

    def unfamiliar(**values: float | None) -> tuple[str, ...]:
        return policy.unfamiliar(observed(replace(WHOLE, **{"cpu": 50.0, "latency": 500.0} | values)))

    assert unfamiliar() == ()
    assert unfamiliar(cpu=109, latency=-1e6, temperature=1e9) == ()
    assert unfamiliar(cpu=111) == unfamiliar(cpu=-11) == ("cpu",)
    assert unfamiliar(cpu=111, latency=1101) == ("cpu", "latency")
    assert unfamiliar(cpu=None, latency=1101) == ("latency",)


def test_ranges_of_unused_elements_are_not_checked(tmp_path: Path) -> None:
    ranges = {"cpu": Range(high=1), "burst": Range(high=0)}
    policy = LearnedPolicy(policy_artifact(tmp_path / "a", features=TWO, ranges=ranges))
    assert policy.unfamiliar(observed(WHOLE)) == ("cpu",)


def test_version_2_is_as_long_as_its_schema(tmp_path: Path) -> None:
    write_artifact(tmp_path / "a", name="x", kind="ppo", weights=random_mlp(SIZES[2], 35), observation_schema=2)
    policy = LearnedPolicy(load_artifact(tmp_path / "a"))
    assert policy.needs() == names(2)
    policy.propose(JOB, observed(WHOLE))


def test_a_meta_controller_weighs_and_refuses_what_is_missing(tmp_path: Path) -> None:
    meta = LearnedMetaController(random_artifact(tmp_path / "a", "td3"))
    weights = meta.weights(CONTEXT)
    raw = (np.tanh(random_mlp(5, 16, 3).forward([[100, 0.2, 0.5, 0.99, 0.4]])[0]) + 1) / 2 + 1e-3
    found = (weights.cost, weights.latency, weights.throughput)
    np.testing.assert_allclose(found, raw / raw.sum(), rtol=1e-3, atol=1e-5)
    assert sum(found) == pytest.approx(1, abs=1e-12)
    with pytest.raises(ObservationMissingError, match="lacks attainment"):
        meta.weights(replace(CONTEXT, attainment=None))


def test_one_kind_does_not_pass_for_the_other(tmp_path: Path) -> None:
    with pytest.raises(PolicyMismatchError, match="a td3 artifact where ppo is needed"):
        LearnedPolicy(random_artifact(tmp_path / "m", "td3"))
    with pytest.raises(PolicyMismatchError, match="a ppo artifact where td3 is needed"):
        LearnedMetaController(random_artifact(tmp_path / "p", "ppo"))


def test_artifacts_are_found_by_path_and_shipped_ones_by_name(tmp_path: Path) -> None:
    digest = policy_artifact(tmp_path / "a").manifest.digest
    assert load(str(tmp_path / "a"), digest).manifest.digest == digest
    for name in shipped():
        assert load(name).path == locate(name)
    with pytest.raises(ArtifactError, match="neither a path nor the name of a shipped artifact"):
        locate("no-such-policy")
