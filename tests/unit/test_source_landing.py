"""Landing files as logs: late gateways, restarts, clocks set back, and each message once."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_sources import HOUR, Gateway, folder_gateway

from sparkiot_driver.sources.landing import RECENT_S, SWEEP_S, Landing, partition, rows
from sparkiot_driver.sources.places import Folder, Found, LandingError
from sparkiot_driver.sources.positions import Positions

DAY = 86400.0


class Clock:
    """Both clocks of a query's look."""

    def __init__(self, now: float = HOUR) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def look(root: Path, clock: Clock | None = None) -> Landing:
    return Landing(Folder(str(root)), wall=clock or Clock(), steady=clock or Clock())


def ids(root: Path, landing: Landing, start: Positions, end: Positions) -> list[str]:
    place = Folder(str(root))
    return [row[0] for file in landing.files(start, end) for row in rows(place, file.key)]


def test_rows_are_the_gateways_lines(tmp_path: Path) -> None:
    gateway = folder_gateway("g1", tmp_path)
    gateway.send(1, at=HOUR + 0.25)
    gateway.deliver()
    (file,) = look(tmp_path).files({}, look(tmp_path).head({}))
    ((id_, device, topic, time, payload, binary),) = rows(Folder(str(tmp_path)), file.key)
    assert (id_, device, topic, binary) == ("g1-1", "lamp-1", "city/4/data", None)
    assert (time.isoformat(), '"value": 1.5' in payload) == ("2026-01-05T00:00:00.250000+00:00", True)


def test_an_empty_or_absent_folder_has_nothing(tmp_path: Path) -> None:
    landing = look(tmp_path / "absent")
    assert landing.end({}, 100) == {}
    assert landing.files({}, {}) == []


def test_a_gateway_that_was_away_is_read_however_old_its_files(tmp_path: Path) -> None:
    clock = Clock(HOUR + 3 * DAY)
    away, here = folder_gateway("away", tmp_path), folder_gateway("here", tmp_path)
    away.send(3, at=HOUR)
    here.send(3, at=clock.now)
    here.deliver()
    landing = look(tmp_path, clock)
    first = landing.end({}, None)
    assert ids(tmp_path, landing, {}, first) == here.sent
    away.deliver()
    assert landing.end(first, None) == first  # it lies in a folder of three days ago, which is not listed each time
    away.send(1, at=clock.now)
    away.deliver()  # but when something of it is new, all of it is looked for
    second = landing.end(first, None)
    assert ids(tmp_path, landing, first, second) == away.sent
    other = folder_gateway("other", tmp_path)
    other.send(1, at=HOUR)
    other.deliver()
    assert landing.end(second, None) == second
    clock.now += SWEEP_S
    third = landing.end(second, None)
    assert ids(tmp_path, landing, second, third) == other.sent


def test_files_that_land_between_two_listings_of_folders_are_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway delivers an old file into a folder that was listed, and a new one into a folder that was not yet."""
    gateway, listed = folder_gateway("g1", tmp_path), Folder._in

    def slow(self: Folder, folder: str) -> Iterator[Found]:
        yield from listed(self, folder)
        if "hour=00" in folder:
            gateway.deliver()

    other = folder_gateway("g2", tmp_path)
    for late in (0, 3600):
        other.send(1, at=HOUR + late)
    other.deliver()
    gateway.send(1, at=HOUR + 1)
    gateway.send(1, at=HOUR + 3601)
    monkeypatch.setattr(Folder, "_in", slow)
    landing = look(tmp_path)
    end = landing.end({}, None)
    assert set(gateway.sent) <= set(ids(tmp_path, landing, {}, end))


def test_a_clock_set_back_and_a_restart_lose_nothing(tmp_path: Path) -> None:
    early = folder_gateway("g1", tmp_path)
    early.send(2, at=HOUR + 100)
    early.stop()
    landing = look(tmp_path)
    first = landing.end({}, None)
    late = folder_gateway("g1", tmp_path, first=3)
    late.send(2, at=HOUR)
    late.stop()
    second = landing.end(first, None)
    assert ids(tmp_path, landing, first, second) == late.sent
    assert len(second) == 2  # a log for each run


def test_a_batch_is_the_same_after_a_restart_and_what_came_meanwhile_is_not_in_it(tmp_path: Path) -> None:
    gateway = folder_gateway("g1", tmp_path)
    for second in range(6):
        gateway.send(1, at=HOUR + second)
    gateway.deliver()
    end = look(tmp_path).end({}, 300)
    batch = ids(tmp_path, look(tmp_path), {}, end)
    assert 0 < len(batch) < 6
    gateway.send(1, at=HOUR + 9)
    gateway.deliver()
    assert ids(tmp_path, look(tmp_path), {}, end) == batch


def test_recent_files_are_found_without_listing_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, asked = Clock(HOUR + DAY), []
    listed = Folder.files
    monkeypatch.setattr(Folder, "files", lambda self, since: asked.append(since) or listed(self, since))
    gateway = folder_gateway("g1", tmp_path)
    landing = look(tmp_path, clock)
    end: Positions = {}
    for _ in range(3):
        gateway.send(1, at=clock.now)
        gateway.deliver()
        clock.now += 1
        start, end = end, landing.end(end, None)
        assert len(landing.files(start, end)) == 1
    hour, recent = partition(HOUR + DAY), partition(HOUR + DAY - RECENT_S)
    assert asked == ["", "", recent, hour, recent, hour]


def test_files_that_are_gone_and_files_of_others_are_said(tmp_path: Path) -> None:
    gateway = folder_gateway("g1", tmp_path)
    gateway.send(1, at=HOUR)
    gateway.deliver()
    end = look(tmp_path).head({})
    (path,) = tmp_path.glob("date=*/hour=*/*.jsonl")
    (path.parent / ".hidden").touch()
    path.write_text('{"id": "x"}\n')
    with pytest.raises(LandingError, match=r"jsonl:1 is no line of an edge gateway's \(KeyError\)"):
        ids(tmp_path, look(tmp_path), {}, end)
    path.unlink()
    with pytest.raises(LandingError, match=r"files of g1-[0-9a-f]{8} are gone"):
        look(tmp_path).files({}, end)
    (path.parent / "rows.csv").touch()
    with pytest.raises(LandingError, match=r"rows.csv is not named as an edge gateway"):
        look(tmp_path).head({})


STEP = st.one_of(
    st.tuples(st.just("send"), st.integers(0, 2), st.floats(-5000, 90_000)),
    st.tuples(st.just("deliver"), st.integers(0, 2), st.just(0.0)),
    st.tuples(st.just("restart"), st.integers(0, 2), st.just(0.0)),
    st.tuples(st.just("batch"), st.integers(1, 900), st.just(0.0)),
    st.tuples(st.just("query killed"), st.integers(1, 900), st.just(0.0)),
)


@settings(deadline=None, max_examples=40)
@given(st.lists(STEP, max_size=25))
def test_each_message_is_in_one_batch_whatever_gateways_and_query_do(steps: list[tuple[str, int, float]]) -> None:
    """Three gateways whose clocks jump, stay away, come back and restart; a query that is killed between planning and
    reading a batch."""
    with tempfile.TemporaryDirectory() as folder:
        root, clock = Path(folder), Clock()
        gateways: list[Gateway] = [folder_gateway(f"g{number}", root) for number in range(3)]
        sent: list[str] = []
        seen: list[str] = []
        clock.now += 90_000  # files before the last hour of it are not listed each time
        landing, start = look(root, clock), dict[str, int]()
        last = [*(("restart", g, 0.0) for g in range(3)), ("later", 0, 0.0), ("query killed", 10**9, 0.0)]
        for act, number, offset in [*steps, *last]:
            if act == "send":
                gateways[number].send(1, at=HOUR + offset)
                sent.append(gateways[number].sent[-1])
            elif act == "later":
                clock.now += SWEEP_S
            elif act == "deliver":
                gateways[number].deliver()
            elif act == "restart":
                gateways[number].stop()
                so_far = sum(1 for id_ in sent if id_.startswith(f"g{number}-"))
                gateways[number] = folder_gateway(f"g{number}", root, first=so_far + 1)
            else:
                end = landing.end(start, number)
                if act == "query killed":
                    landing = look(root, clock)
                seen += ids(root, landing, start, end)
                start = end
            clock.now += 7
        assert sorted(seen) == sorted(sent)
        for gateway in gateways:
            gateway.stop()
