"""Processes under their shim: logs, ends, and that nothing outlives whom it belongs to."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from sparkiot_sim.devcluster.podlogs import LogOptions
from sparkiot_sim.nodeagent import logs, process
from sparkiot_sim.nodeagent.memory import below, process_table, proportional
from sparkiot_sim.nodeagent.process import Exit, Process, StartError

PYTHON = [sys.executable, "-u", "-c"]
# Starts a child in a session of its own that ignores what can be ignored, and prints its pid.
FAMILY = """
import subprocess, sys, time
child = subprocess.Popen(
    [sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"],
    start_new_session=True,
)
print(child.pid, flush=True)
"""


async def start(tmp_path: Path, code: str) -> Process:
    return await Process.start([*PYTHON, code], env={"PATH": os.environ["PATH"]}, cwd=tmp_path, log=tmp_path / "log")


def lines(tmp_path: Path) -> list[str]:
    return [line.partition(" ")[2] for line in (tmp_path / "log").read_text().splitlines()]


def ended(pid: int) -> bool:
    """Gone, or a zombie that waits for its parent."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def until(condition: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("pass", Exit(0)),
        ("raise SystemExit(3)", Exit(3)),
        ("import os; os.kill(os.getpid(), 9)", Exit(137, 9)),
        ("import os; os.kill(os.getpid(), 15)", Exit(143, 15)),
    ],
)
async def test_how_a_process_ends(tmp_path: Path, code: str, expected: Exit) -> None:
    assert await (await start(tmp_path, code)).wait() == expected


async def test_all_output_is_in_the_log_with_its_time(tmp_path: Path) -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.stdout.write('no end')"
    await (await start(tmp_path, code)).wait()
    assert lines(tmp_path) == ["out", "err", "no end"]
    assert (tmp_path / "log").read_text().startswith("20")


async def test_the_log_is_bounded_and_can_be_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LOG_BYTES", 20_000)
    running = await start(
        tmp_path, "import time\nfor i in range(3000): print(i, 'x' * 20); i % 100 or time.sleep(0.01)"
    )
    read = logs.read(
        tmp_path / "log", LogOptions(container="c", follow=True), now=None, running=lambda: running.running
    )  # type: ignore[arg-type]  # no sinceSeconds, so no time is needed
    followed = b"".join([chunk async for chunk in read]).decode().splitlines()
    assert followed[-1] == f"2999 {'x' * 20}"
    assert len(followed) == len(set(followed))
    kept = [path.stat().st_size for path in (tmp_path / "log", tmp_path / "log.1")]
    assert sum(kept) < 20_000 * 2 + 2 * 65536  # one read of the pipe may go over it
    tail = logs.read(tmp_path / "log", LogOptions(container="c", tail_lines=2), None, lambda: False)  # type: ignore[arg-type]  # as above
    assert b"".join([chunk async for chunk in tail]).decode().splitlines() == followed[-2:]


async def test_a_program_that_cannot_be_started(tmp_path: Path) -> None:
    for argv, cwd in ((["no-such-program"], tmp_path), ([*PYTHON, "pass"], tmp_path / "nowhere")):
        with pytest.raises(StartError, match=r"No such file or directory: .*no"):
            await Process.start(argv, env={}, cwd=cwd, log=tmp_path / "log")


async def test_children_end_with_the_main_process(tmp_path: Path) -> None:
    running = await start(tmp_path, FAMILY)
    assert await running.wait() == Exit(0)
    assert not psutil.pid_exists(int(lines(tmp_path)[0]))


async def test_stop_is_sigterm_and_then_sigkill(tmp_path: Path) -> None:
    polite = await start(tmp_path, "import time; print('up'); time.sleep(600)")
    assert await polite.stop(30) == Exit(143, 15)
    code = "import signal, time; signal.signal(15, lambda *_: print('no')); print('up')\nwhile True: time.sleep(1)"
    stubborn = await start(tmp_path, code)
    await asyncio.to_thread(until, lambda: lines(tmp_path)[-1:] == ["up"])
    stubborn.send(signal.SIGTERM)
    await asyncio.to_thread(until, lambda: lines(tmp_path)[-1:] == ["no"])
    assert await stubborn.stop(0.5) == Exit(137, 9)


@pytest.mark.parametrize("victim", ["agent", "shim"])
def test_nothing_outlives_a_killed_agent_or_shim(tmp_path: Path, victim: str) -> None:
    code = textwrap.dedent(f"""
        import asyncio, os, pathlib, sys
        from sparkiot_sim.nodeagent.process import Process
        async def main():
            argv = [sys.executable, "-u", "-c", {FAMILY + "time.sleep(600)"!r}]
            here = pathlib.Path({str(tmp_path)!r})
            running = await Process.start(argv, env=dict(os.environ), cwd=here, log=here / "log")
            print(running.pid, running._shim.pid, flush=True)
            print(await running.wait(), flush=True)
        asyncio.run(main())
    """)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdout
        main, shim = map(int, agent.stdout.readline().split())
        until(lambda: lines(tmp_path))
        child = int(lines(tmp_path)[0])
        os.kill(agent.pid if victim == "agent" else shim, signal.SIGKILL)
        until(lambda: ended(main))
        if victim == "agent":
            until(lambda: not psutil.pid_exists(child))
        else:  # a shim cannot look after grandchildren when it is killed itself, and nobody kills it by accident
            assert "code=137" in agent.stdout.readline()
            os.kill(child, signal.SIGKILL)


async def test_the_memory_of_a_process_tree(tmp_path: Path) -> None:
    code = "import os, time; x = bytearray(64 << 20); pid = os.fork(); os.write(1, b'%d\\n' % pid); time.sleep(600)"
    running = await start(tmp_path, code)
    await asyncio.to_thread(until, lambda: len(lines(tmp_path)) == 2)
    table = process_table()
    tree = below(table, running.pid)
    assert sorted(tree) == sorted([running.pid, max(int(line) for line in lines(tmp_path))])
    resident = sum(table[pid][1] for pid in tree)
    assert resident > 128 << 20  # the shared 64 MiB count twice
    assert 64 << 20 < proportional(tree) < 100 << 20
    await running.stop(0)
    assert json.dumps(below(process_table(), running.pid)) == "[]"
