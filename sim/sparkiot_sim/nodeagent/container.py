"""One container of a pod: started, probed, restarted, and brought to its end."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from sparkiot_sim.devcluster.celfunctions import parse_quantity
from sparkiot_sim.devcluster.errors import Obj
from sparkiot_sim.nodeagent.command import (
    DECOMMISSION_SCRIPT,
    TMP,
    CommandError,
    argv,
    expand,
    is_executor,
    local_argv,
    rewriter,
)
from sparkiot_sim.nodeagent.config import ACCOUNT_FOLDER, ConfigError, PodConfig, mounts
from sparkiot_sim.nodeagent.images import Runtime
from sparkiot_sim.nodeagent.memory import MemoryGuard
from sparkiot_sim.nodeagent.probes import Probe, ProbeError
from sparkiot_sim.nodeagent.process import Exit, Process, StartError
from sparkiot_sim.nodeagent.status import MESSAGE_BYTES, ContainerState

START_FAILED_CODE = 128  # as containerd reports a program that cannot be started
_TERMINATION_LOG = "/dev/termination-log"
_CONFIG_RETRY_SECONDS = 1.0
_FIRST_BACKOFF_SECONDS, _LONGEST_BACKOFF_SECONDS = 10.0, 300.0
_LAST_LOG_BYTES = 2048  # of the log, as a termination message

Event = Callable[[str, str, str], None]  # type, reason, message


@dataclass(frozen=True, kw_only=True)
class PodContext:
    """What the containers of a pod share. `stopping` is set when the pod has to end; `report` publishes its state."""

    pod: Obj
    folder: Path
    config: PodConfig
    volumes: dict[str, Path]
    guard: MemoryGuard
    stopping: asyncio.Event
    report: Callable[[], None]
    event: Callable[[str, str, str, str], None]  # type, reason, message, container
    now: Callable[[], str]
    pod_ip: str


class Container:
    """Runs one container of the manifest until it has ended for good."""

    def __init__(self, spec: Obj, state: ContainerState, runtime: Runtime, context: PodContext) -> None:
        self.spec = spec
        self.state = state
        self._runtime = runtime
        self._context = context
        self._process: Process | None = None
        self._oom = False
        self._folder = context.folder / "containers" / spec["name"]
        message_path = spec.get("terminationMessagePath") or _TERMINATION_LOG
        self._message_file = self._folder / "termination-log"
        places = mounts(spec, context.volumes)
        self._rewrite = rewriter({**places, message_path: self._message_file})
        self._tmp = places.get(TMP, self._folder / "tmp")
        self._has_account = ACCOUNT_FOLDER in places

    async def run(self, restart_policy: str) -> None:
        """Until it has ended and the policy does not start it again, or the pod stops."""
        while not self._context.stopping.is_set():
            ended = await self._run_once()
            wanted = restart_policy == "Always" or (restart_policy == "OnFailure" and ended.code != 0)
            if not wanted or not await self._back_off():
                return

    def kill(self) -> None:
        if self._process:
            self._process.send(signal.SIGKILL)

    # One run

    async def _run_once(self) -> Exit:
        state, now = self.state, self._context.now
        try:
            process = await self._start()
        except (CommandError, StartError) as error:
            text = f"failed to start container {state.name!r}: {error}"
            self._event("Warning", "Failed", f"Error: {text}")
            state.end(code=START_FAILED_CODE, signal=0, reason="StartError", message=text, now=now())
            self._context.report()
            return Exit(START_FAILED_CODE)
        if process is None:
            return Exit(START_FAILED_CODE)
        self._process, self._oom = process, False
        state.run(process.pid, now())
        state.ready = not self.spec.get("readinessProbe") and not self.spec.get("startupProbe")
        self._event("Normal", "Started", f"Started container {state.name}")
        self._context.report()
        async with self._memory_limit(process), self._probing(process):
            await self._until_end(process)
        ended = await process.wait()
        reason = "OOMKilled" if self._oom else "Completed" if ended.code == 0 else "Error"
        state.end(code=ended.code, signal=ended.signal, reason=reason, message=self._message(ended), now=now())
        self._context.report()
        return ended

    async def _start(self) -> Process | None:
        """None when the pod is stopped first. Raises StartError or CommandError."""
        while True:
            try:
                environment = self._environment()
                break
            except ConfigError as error:
                if self.state.message != str(error):
                    self.state.wait("CreateContainerConfigError", str(error))
                    self._event("Warning", "Failed", f"Error: {error}")
                    self._context.report()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._context.stopping.wait(), _CONFIG_RETRY_SECONDS)
                return None
        program = argv(self.spec, self._runtime, environment, self._rewrite)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._tmp.mkdir(parents=True, exist_ok=True)
        self._message_file.write_bytes(b"")
        self._event("Normal", "Created", f"Created container: {self.state.name}")
        log = log_path(self._context.folder, self.state.name, self.state.restarts)
        return await Process.start(program, env=environment, cwd=self._working_folder(), log=log)

    def _environment(self) -> dict[str, str]:
        given = self._context.config.variables(self.spec)
        found = self._runtime.environment()
        found |= {
            "HOSTNAME": self._context.pod["metadata"]["name"],
            "HOME": str(self._folder),
            "TMPDIR": str(self._tmp),
        }
        if self._has_account:
            # Where the account's files are, for clients that ask: Spark's, and this project's runtime.
            found["KUBERNETES_AUTH_SERVICEACCOUNT_TOKEN"] = f"{ACCOUNT_FOLDER}/token"
            found["KUBERNETES_CERTS_CA_FILE"] = f"{ACCOUNT_FOLDER}/ca.crt"
        return {name: self._rewrite(value) for name, value in {**found, **given}.items()}

    def _working_folder(self) -> Path:
        named = self.spec.get("workingDir")
        folder = Path(self._rewrite(named)) if named else self._folder
        if folder.is_relative_to(self._context.folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _message(self, ended: Exit) -> str:
        content = b""
        with contextlib.suppress(OSError):
            content = self._message_file.read_bytes()[:MESSAGE_BYTES]
            if not content and ended.code and self.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError":
                log = log_path(self._context.folder, self.state.name, self.state.restarts)
                lines = (line.partition(b" ")[2] for line in log.read_bytes().splitlines(keepends=True))
                content = b"".join(lines)[-_LAST_LOG_BYTES:]
        return content.decode(errors="replace")

    # While it runs

    async def _until_end(self, process: Process) -> None:
        ending = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._context.stopping.wait())
        await asyncio.wait((ending, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not ending.done():
            self._event("Normal", "Killing", f"Stopping container {self.state.name}")
            await self._pre_stop(process)
            process.send(signal.SIGTERM)
        await ending

    @contextlib.asynccontextmanager
    async def _memory_limit(self, process: Process) -> AsyncIterator[None]:
        limit = ((self.spec.get("resources") or {}).get("limits") or {}).get("memory")
        if limit is None:
            yield
            return

        def exceeded() -> None:
            self._oom = True

        with self._context.guard.limit(process, int(parse_quantity(str(limit))), exceeded):
            yield

    @contextlib.asynccontextmanager
    async def _probing(self, process: Process) -> AsyncIterator[None]:
        probing = asyncio.create_task(self._probe(process))
        try:
            yield
        finally:
            probing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await probing

    async def _probe(self, process: Process) -> None:
        async def execute(command: list[str], seconds: float) -> int:
            try:
                return (await self._execute(command, seconds)).code
            except (StartError, ConfigError) as error:
                raise ProbeError(str(error)) from error

        def ready(ok: bool, why: str) -> None:
            if not ok:
                self._event("Warning", "Unhealthy", f"Readiness probe failed: {why}")
            if self.state.ready != ok:
                self.state.ready = ok
                self._context.report()

        def dead_unless(kind: str) -> Callable[[bool, str], None]:
            def judge(ok: bool, why: str) -> None:
                if not ok and process.running and not self._context.stopping.is_set():
                    self._event("Warning", "Unhealthy", f"{kind} probe failed: {why}")
                    self._event("Normal", "Killing", f"Container {self.state.name} failed {kind.lower()} probe")
                    ends.add(asyncio.create_task(process.stop(self._grace())))

            return judge

        ends: set[asyncio.Task[Exit]] = set()
        if startup := self._probe_of("startupProbe"):
            passed = asyncio.Event()

            def started(ok: bool, why: str) -> None:
                passed.set() if ok else dead_unless("Startup")(ok, why)

            trying = asyncio.create_task(startup.watch(self.spec, execute, started))
            try:
                await passed.wait()
            finally:
                trying.cancel()
            if not self.spec.get("readinessProbe"):
                ready(True, "")
        async with asyncio.TaskGroup() as group:
            if probe := self._probe_of("readinessProbe"):
                group.create_task(probe.watch(self.spec, execute, ready))
            if probe := self._probe_of("livenessProbe"):
                group.create_task(probe.watch(self.spec, execute, dead_unless("Liveness")))

    def _probe_of(self, kind: str) -> Probe | None:
        spec = self.spec.get(kind)
        return Probe(spec=spec, host=self._context.pod_ip) if spec else None

    async def _pre_stop(self, process: Process) -> None:
        command = ((self.spec.get("lifecycle") or {}).get("preStop") or {}).get("exec", {}).get("command")
        if not command:
            return
        if is_executor(self.spec) and Path(command[0]).name == DECOMMISSION_SCRIPT:
            # What Spark's script does in its images: ask the executor to move its blocks away, and wait for its end.
            process.send(signal.SIGPWR)
            await process.wait()
            return
        try:
            ended = await self._execute(command, self._grace())
        except (StartError, CommandError, ConfigError) as error:
            self._event("Warning", "FailedPreStopHook", f"PreStopHook failed: {error}")
        else:
            if ended.code:
                self._event("Warning", "FailedPreStopHook", f"PreStopHook failed: exit code {ended.code}")

    async def _execute(self, command: list[str], seconds: float) -> Exit:
        """Runs a command as in the container, for `seconds` at most. Raises StartError or ConfigError."""
        environment = self._environment()
        words = local_argv([expand(self._rewrite(word), environment) for word in command], self._runtime)
        log = self._folder / "exec.log"
        process = await Process.start(words, env=environment, cwd=self._working_folder(), log=log)
        waiting = asyncio.create_task(process.wait())
        await asyncio.wait((waiting,), timeout=seconds)
        return await process.stop(0)

    # Restarts

    async def _back_off(self) -> bool:
        """Waits as a kubelet does before the next start; False when the pod is stopped meanwhile."""
        state = self.state
        delay = _FIRST_BACKOFF_SECONDS * 2 ** (state.restarts - 1) if state.restarts else 0.0
        if delay:
            text = f"back-off {min(delay, _LONGEST_BACKOFF_SECONDS):g}s restarting failed container={state.name}"
            state.wait("CrashLoopBackOff", text)
            self._event("Warning", "BackOff", f"Back-off restarting failed container {state.name}")
            self._context.report()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._context.stopping.wait(), min(delay, _LONGEST_BACKOFF_SECONDS))
            return False
        state.wait("ContainerCreating")
        state.restarts += 1
        return True

    def _grace(self) -> float:
        return float(self._context.pod["spec"].get("terminationGracePeriodSeconds", 0))

    def _event(self, kind: str, reason: str, message: str) -> None:
        self._context.event(kind, reason, message, self.state.name)


def log_path(folder: Path, container: str, restarts: int) -> Path:
    """The log of a container's run, below the pod's folder; only the last two runs are kept."""
    (folder / "logs" / container / f"{restarts - 2}.log").unlink(missing_ok=True)
    return folder / "logs" / container / f"{restarts}.log"
