"""The policy store: what may be loaded, what is said when it cannot be, and reloading."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_jobs import allocation, evaluation, job
from support_policies import policy_artifact, random_artifact

from sparkiot_operator.metrics.timed import Timer
from sparkiot_operator.policies_store import PolicyStore, UnavailablePolicy
from sparkiot_policies.decide import decide
from sparkiot_policies.decision import FallbackCode
from sparkiot_policies.learned import LearnedPolicy
from sparkiot_policies.rules import rule

WRONG = "sha256:" + "0" * 64


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    policy_artifact(tmp_path / "city")
    return tmp_path


def digest(folder: Path) -> str:
    return policy_artifact(folder / "city").manifest.digest


def test_rules_need_no_file_and_no_digest() -> None:
    found = PolicyStore(folder=None, digests={}).policy("RateAhead", None)
    assert found.problem is None
    assert found.value is not None
    assert found.value.identity.name == "RateAhead"


def test_an_artifact_with_the_digest_of_the_settings_or_of_the_job(folder: Path) -> None:
    for store, given in (
        (PolicyStore(folder=folder, digests={"city": digest(folder)}), None),
        (PolicyStore(folder=folder, digests={}), digest(folder)),
        (PolicyStore(folder=folder, digests={"city": WRONG}), digest(folder)),
    ):
        found = store.policy("city", given)
        assert isinstance(found.value, LearnedPolicy)
        assert found.value.identity.digest == digest(folder)
        assert store.problems == {}


def test_one_artifact_is_loaded_once_for_all_jobs(folder: Path) -> None:
    store = PolicyStore(folder=folder, digests={"city": digest(folder)})
    assert store.policy("city", None).value is store.policy("city", None).value


def test_the_answers_of_learned_policies_are_timed_and_nothing_else_changes(folder: Path) -> None:
    times: dict[str, int] = {"policy": 0, "meta": 0}

    def timer(role: str) -> Timer:
        @contextlib.contextmanager
        def measure() -> Iterator[None]:
            times[role] += 1
            yield

        return measure

    digests = {"city": digest(folder)}
    plain = PolicyStore(folder=folder, digests=digests).policy("city", None).value
    store = PolicyStore(folder=folder, digests=digests, inference=timer)
    timed = store.policy("city", None).value
    assert plain is not None
    assert timed is not None
    assert (timed.identity, timed.needs()) == (plain.identity, plain.needs())
    decided = [decide(job(), evaluation(), policy, fallback=rule("Rate")).proposal for policy in (plain, timed)]
    assert decided[0] == decided[1]
    rate = store.policy("Rate", None).value
    assert rate is not None
    decide(job(), evaluation(), rate, fallback=rate)
    assert times == {"policy": 1, "meta": 0}, "a rule's answers are not"
    assert store.policy("city", None).value is timed


@pytest.mark.parametrize(
    ("digests", "given", "message"),
    [({}, None, "no digest was given"), ({"city": WRONG}, None, "expected sha256:000"), ({}, WRONG, "expected sha256")],
)
def test_what_nobody_vouched_for_is_not_loaded(
    folder: Path, digests: dict[str, str], given: str | None, message: str
) -> None:
    found = PolicyStore(folder=folder, digests=digests).policy("city", given)
    assert found.value is None
    assert found.problem is not None
    assert message in found.problem
    assert str(folder / "city") in found.problem


@pytest.mark.parametrize("damage", ["absent", "empty", "cut", "altered", "no manifest"])
def test_a_damaged_artifact_is_named_with_the_reason(folder: Path, damage: str) -> None:
    expected, graph = digest(folder), folder / "city" / "policy.onnx"
    whole = graph.read_bytes()
    match damage:
        case "absent":
            graph.unlink()
        case "empty":
            graph.write_bytes(b"")
        case "cut":
            graph.write_bytes(whole[: len(whole) // 2])
        case "altered":
            graph.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        case "no manifest":
            (folder / "city" / "manifest.json").unlink()
    store = PolicyStore(folder=folder, digests={"city": expected})
    found = store.policy("city", None)
    assert found.value is None
    assert found.problem is not None
    assert str(folder / "city") in found.problem
    assert store.problems == {"city": found.problem}


def test_a_meta_controller_is_no_policy(tmp_path: Path) -> None:
    artifact = random_artifact(tmp_path / "meta", "td3")
    store = PolicyStore(folder=tmp_path, digests={"meta": artifact.manifest.digest})
    assert store.meta_controller("meta").problem is None
    found = store.policy("meta", None)
    assert found.problem is not None
    assert "td3 artifact where ppo is needed" in found.problem


def test_an_unknown_name_says_which_are_known(tmp_path: Path) -> None:
    found = PolicyStore(folder=tmp_path, digests={}).policy("nobody", None)
    assert found.problem is not None
    assert "RateAhead" in found.problem
    assert str(tmp_path) in found.problem


def test_files_that_change_are_loaded_again_and_others_are_not(folder: Path) -> None:
    store = PolicyStore(folder=folder, digests={"city": digest(folder)})
    before = store.policy("city", None)
    store.refresh()
    assert store.policy("city", None) is before

    graph = folder / "city" / "policy.onnx"
    whole = graph.read_bytes()
    graph.write_bytes(whole[:100])
    store.refresh()
    assert store.policy("city", None).value is None

    graph.write_bytes(whole)
    store.refresh()
    again = store.policy("city", None)
    assert again.value is not None
    assert again.value is not before.value


def test_an_artifact_that_is_replaced_while_it_is_looked_at_costs_no_cycle(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PolicyStore(folder=folder, digests={"city": digest(folder)})
    (folder / "city").rename(folder / "aside")
    (folder / "city").mkdir()
    listed = Path.iterdir

    def replaced(path: Path) -> Iterator[Path]:
        """Its content comes as the folder's old one is listed, and the folder is gone for that moment."""
        if path == folder / "city":
            path.rmdir()
            (folder / "aside").rename(path)
            raise FileNotFoundError(path)
        return listed(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "iterdir", replaced)
        store.policy("city", None)
    store.refresh()
    assert store.problems == {}


def test_an_artifact_that_arrives_later_is_found(tmp_path: Path) -> None:
    store = PolicyStore(folder=tmp_path, digests={})
    policy_artifact(tmp_path / "elsewhere" / "city")
    wanted = policy_artifact(tmp_path / "elsewhere" / "city").manifest.digest
    assert store.policy("city", wanted).value is None
    policy_artifact(tmp_path / "city")
    store.refresh()
    assert store.policy("city", wanted).value is not None


def test_a_policy_that_is_unavailable_lets_the_fallback_rule_act_and_says_why() -> None:
    missing = UnavailablePolicy("city", "policies/city: policy.onnx is missing")
    seen = evaluation(allocation(4), capacity=50.0, running=4)
    decision = decide(job(), seen, missing, fallback=rule("Rate"))
    assert decision.fallback is FallbackCode.POLICY_FAILED
    assert decision.detail == "policies/city: policy.onnx is missing"
    assert decision.policy.name == "city"
    assert decision.acted.name == "Rate"
