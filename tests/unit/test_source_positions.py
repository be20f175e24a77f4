"""Offsets of several logs: what a batch holds, and that batches one after another hold everything once."""

from hypothesis import given
from hypothesis import strategies as st

from sparkiot_driver.sources.positions import Entry, Positions, advanced, between, oldest, packed, shared

LOGS = ("g1-aa", "g1-bb", "g2-cc")


def entry(log: str, at: int, size: int = 1) -> Entry:
    return Entry(log=log, at=at, key=f"{log}/{at}", size=size)


entries = st.lists(
    st.builds(entry, st.sampled_from(LOGS), st.integers(0, 50), st.integers(0, 9)),
    unique_by=lambda each: (each.log, each.at),
    max_size=40,
)


def test_a_batch_is_what_lies_between_two_positions() -> None:
    known = [entry("a", 1), entry("a", 2), entry("a", 3), entry("b", 2)]
    assert [e.key for e in between(known, {"a": 1}, {"a": 2, "b": 2})] == ["a/2", "b/2"]
    assert between(known, {"a": 3, "b": 2}, {"a": 3, "b": 2}) == []
    assert advanced({"a": 5}, known) == {"a": 5, "b": 2}


def test_the_oldest_come_first_and_a_large_one_passes() -> None:
    known = [entry("b", 7, 3), entry("a", 9, 3), entry("a", 4, 99)]
    assert [e.key for e in oldest(known, 10)] == ["a/4"]
    assert [e.key for e in oldest(known[:2], 6)] == ["b/7", "a/9"]
    assert [e.key for e in oldest(known[:2], 5)] == ["b/7"]
    assert len(oldest(known, None)) == 3


def test_a_bound_is_shared_evenly_and_what_one_leaves_goes_to_the_others() -> None:
    assert shared({"a": 2, "b": 100, "c": 50}, 30) == {"a": 2, "c": 14, "b": 14}
    assert shared({"a": 5, "b": 5}, 1) == {"a": 0, "b": 1}
    assert shared({}, 10) == {}


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 1000)), st.integers(1, 500))
def test_a_bound_is_used_up_and_never_passed(waiting: dict[str, int], limit: int) -> None:
    found = shared(waiting, limit)
    assert sum(found.values()) == min(limit, sum(waiting.values()))
    assert all(0 <= found[log] <= waiting[log] for log in waiting)


@given(entries, st.lists(st.integers(1, 20), max_size=60), st.data())
def test_batches_hold_everything_once_whatever_comes_when(
    appended: list[Entry], limits: list[int], data: st.DataObject
) -> None:
    """Logs grow at their ends while batches of any bound are made; each batch is asked for twice."""
    growing = {log: sorted(e for e in appended if e.log == log) for log in LOGS}
    known: list[Entry] = []
    start: Positions = {}
    seen: list[Entry] = []
    for limit in [*limits, None]:
        for log in LOGS:
            some = len(growing[log]) if limit is None else data.draw(st.integers(0, len(growing[log])))
            known += growing[log][:some]
            growing[log] = growing[log][some:]
        end = advanced(start, oldest(between(known, start, advanced({}, known)), limit))
        batch = between(known, start, end)
        assert limit is None or len(batch) <= 1 or sum(e.size for e in batch) <= limit
        assert between(appended, start, end) == batch  # a replay finds more than was there, and takes the same
        seen, start = [*seen, *batch], end
    assert sorted(seen) == sorted(appended)


@given(entries, st.integers(1, 8))
def test_tasks_share_a_batch(found: list[Entry], bins: int) -> None:
    groups = packed(found, bins)
    assert sorted(e for group in groups for e in group) == sorted(found)
    assert len(groups) == min(bins, len(found)) or any(e.size == 0 for e in found)
    assert all(groups)
    sizes = [sum(e.size for e in group) for group in groups]
    if len(groups) == bins:  # no group is larger than the mean by more than its last file
        assert max(sizes) <= sum(sizes) / bins + max(e.size for e in found)
