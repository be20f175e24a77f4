"""The driver pod's first process: keeps Spark running with the wanted allocation, or ends and says why."""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from pathlib import Path
from typing import Any

from sparkiot_driver import exposition, failure, kubeapi, properties, tier_watch, usage
from sparkiot_driver.allocation import Allocation, InvalidAllocationError
from sparkiot_driver.channel import Channel, Listener
from sparkiot_driver.child import Child, NoSparkError, environment
from sparkiot_driver.config import Config
from sparkiot_driver.endpoint import Answer, Endpoint, Service
from sparkiot_driver.keeper import Keeper, StaleAllocationError
from sparkiot_driver.report import Report

log = logging.getLogger("sparkiot_driver")

FINISHED, FAILED, CONFIGURATION, TERMINATED = 0, 1, 78, 143
TOO_MANY_EXECUTORS_FAILED = 11
"""Spark's own exit code for it (SparkExitCode.EXCEED_MAX_EXECUTOR_FAILURES)."""
SOCKET = "runner.sock"
"""Relative to the work folder, where both ends run: Linux takes 107 bytes for a socket's path, and folders are long."""
LOOK_SECONDS = 0.2
RECOVERY_SECONDS = 180.0
"""How long a restarted Spark may take until a query runs again."""
SETTLING_SECONDS = 60.0
"""A Spark without queries is given this long to start one before its memory is changed under it."""
STOP_MARGIN_SECONDS = 25.0
"""How long Spark may take to end once its queries have: deleting executors, leaving the JVM."""
LAST_WORDS_SECONDS = 2.0
"""How long the runner's last messages may take to be read after its process ended."""
FALLBACK_SECONDS = 30.0
NO_RETRY = ("SparkVersionMismatch", "MainFileNotFound", "InvalidConfiguration")


class Ending(Exception):  # noqa: N818 - it carries an exit code through the loop, 0 included
    """The supervisor is to end: exit code, reason and message of the termination log."""

    def __init__(self, code: int, reason: str = "", message: str = "") -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message


class Supervisor(Service):
    """``run`` in the main thread; the endpoint, the runner's channel and the API are served by threads."""

    def __init__(self, config: Config, application: list[str]) -> None:
        self._config = config
        self._application = application
        self._api = kubeapi.KubeApi.from_environment(config.job)
        self._keeper = Keeper(config.allocation, time.time())
        self._report = Report(self._keeper, secrets.token_hex(8))
        self._channel: Channel | None = None
        self._wake = threading.Event()
        self._stop_grace: float | None = None
        self._terminated = False
        self._starts = 0
        self._asked_at = time.monotonic()

    def terminate(self) -> None:
        """SIGTERM: stop at a batch boundary, in time for the pod's grace period."""
        self._terminated = True
        self._stop_grace = self._config.boundary_seconds

    def run(self) -> Ending:
        """Until the application ends, fails, or is stopped."""
        endpoint = Endpoint(self._config.pod_ip, self._config.job.port, self._config.tokens.accept, self)
        os.chdir(self._config.work)
        listener = Listener(Path(SOCKET))
        self._read_api()
        for target, args in ((endpoint.serve_forever, ()), (self._serve_runner, (listener,)), (self._fall_back, ())):
            threading.Thread(target=target, args=args, daemon=True).start()
        if self._config.job.has_shuffle:
            tier_watch.watch(self._config.job_file, self._report.checked)
        try:
            while self._stop_grace is None:
                self._one_start()
            return self._done(Ending(TERMINATED if self._terminated else FINISHED))
        except Ending as ending:
            return self._done(ending)

    def _done(self, ending: Ending) -> Ending:
        self._report.state = "Finished" if ending.code in (FINISHED, TERMINATED) else "Failed"
        self._report.message = ending.message or None
        return ending

    def _one_start(self) -> None:
        """Start Spark and stay with it until it was stopped, for good or to start anew. Raises Ending."""
        restart, self._starts = self._starts > 0, self._starts + 1
        had_query = self._report.had_query if restart else False
        child = self._start(restart)
        try:
            while True:
                self._wake.wait(LOOK_SECONDS)
                self._wake.clear()
                code = child.poll()
                age = time.time() - child.started_at
                if code is not None:
                    raise self._ended(child, code, restarted=restart and not self._report.recovered)
                if self._stop_grace is not None:
                    self._report.state = "Stopping"
                    self._stop(child, self._stop_grace)
                    return
                if had_query and age > RECOVERY_SECONDS and not self._report.had_query:
                    child.kill()
                    self._delete_executors()
                    raise Ending(FAILED, "RestartFailed", f"no query ran within {RECOVERY_SECONDS:.0f} s of a restart")
                if self._keeper.needs_restart and (self._report.has_active_query or age > SETTLING_SECONDS):
                    self._report.state = "Restarting"
                    self._stop(child, self._config.boundary_seconds)
                    return
        finally:
            child.kill()
            child.reap()

    def _start(self, restart: bool) -> Child:
        config = self._config
        with self._report.lock:
            allocation = self._keeper.starting()
        memory = config.memory(allocation)
        place = properties.Place(
            pod_ip=config.pod_ip,
            pod_name=config.pod_name,
            api_url=self._api.url if self._api else "",
            executor_template=config.executor_template,
            executor_prefix=properties.executor_prefix(config.job.name, secrets.token_hex(4)),
        )
        effective = properties.start_properties(
            config.base, allocation, memory, place, tiers=config.job.tiers, compressions=config.job.compressions
        )
        file = config.work / "spark.properties"
        file.write_text(properties.render(effective), encoding="ascii")
        self._report.start(heap_bytes=memory.heap_mib << 20, restart=restart, now=time.time())
        log.info("Spark starts with %s", allocation)
        try:
            environ = environment(os.environ, SOCKET, config.job.spark_version)
            return Child(file, self._application, environ=environ, work=config.work)
        except (NoSparkError, OSError) as error:
            raise Ending(CONFIGURATION, "InvalidConfiguration", str(error)) from error

    def _stop(self, child: Child, grace: float) -> None:
        """Stop queries at a batch boundary and Spark with them; what does not stop in time is ended."""
        asked = False
        deadline = time.monotonic() + grace + STOP_MARGIN_SECONDS
        while child.poll() is None and time.monotonic() < deadline:
            channel = self._channel
            if not asked and channel is not None:
                asked = channel.send({"type": "stop", "graceSeconds": grace})
            time.sleep(LOOK_SECONDS / 4)
        if child.poll() is None:
            log.warning("Spark did not stop within %.0f s and is ended", grace + STOP_MARGIN_SECONDS)
            child.kill()
        if child.poll() != 0:
            self._delete_executors()

    def _ended(self, child: Child, code: int, *, restarted: bool) -> Ending:
        """What it means that Spark's process ended by itself."""
        deadline = time.monotonic() + LAST_WORDS_SECONDS
        while self._channel is not None and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS / 4)
        if code == 0 and not child.gave_up:
            return Ending(FINISHED)
        self._delete_executors()
        if child.gave_up:
            reason, message = "ExecutorsKeepFailing", failure.of_executors(child.gave_up, self._report.newest_loss)
        elif self._report.failure is not None:
            reason, message = self._report.failure
        else:
            reason = "ExecutorsKeepFailing" if code == TOO_MANY_EXECUTORS_FAILED else "SparkFailed"
            message = failure.of_output(list(child.tail), failure.ending(code))
        if restarted:
            return Ending(FAILED, "RestartFailed", message)
        return Ending(CONFIGURATION if reason in NO_RETRY else FAILED, reason, message)

    def _delete_executors(self) -> None:
        if self._api is None:
            return
        try:
            self._api.delete_executors()
        except kubeapi.ApiUnavailableError as error:
            log.warning("executors that may be left over were not deleted: %s", error)

    def _serve_runner(self, listener: Listener) -> None:
        while True:
            channel = listener.accept()
            if channel is None:
                return
            self._channel = channel
            channel.send(_target(self._keeper.desired))
            for message in channel.messages():
                try:
                    self._report.take(message, time.time())
                except (KeyError, TypeError, ValueError):
                    log.exception("a message of the runner was not understood: %.200s", message)
                if message.get("type") == "trouble":
                    log.warning("reading Spark's figures: %s", message.get("message"))
            self._channel = None
            channel.close()

    def _fall_back(self) -> None:
        """Read the allocation from the API while nobody brings it."""
        while True:
            time.sleep(FALLBACK_SECONDS)
            if time.monotonic() - self._asked_at >= FALLBACK_SECONDS:
                self._read_api()

    def _read_api(self) -> None:
        if self._api is None:
            return
        try:
            allocation = self._api.desired()
            if allocation is not None:
                self._propose(allocation)
        except (kubeapi.ApiUnavailableError, properties.UnusableMemoryError) as error:
            log.warning("the allocation was not read from the API: %s", error)
        except StaleAllocationError:
            pass  # what was pushed is newer

    def _propose(self, allocation: Allocation) -> None:
        """Raises UnusableMemoryError or StaleAllocationError."""
        self._config.memory(allocation)
        with self._report.lock:
            taken = self._keeper.propose(allocation, time.time())
        if taken:
            log.info("wanted from now on: %s", allocation)
            channel = self._channel
            if channel is not None:
                channel.send(_target(allocation))
            self._wake.set()

    def observation(self, after: int) -> dict[str, Any]:
        self._asked_at = time.monotonic()
        return self._observation(after)

    def metrics(self) -> str:
        """Also where nobody but Prometheus asks: a scrape does not say that the operator is there."""
        return exposition.render(self._observation(0))

    def _observation(self, after: int) -> dict[str, Any]:
        return self._report.observation(
            after, time.time(), own_cpu=time.process_time(), rss_bytes=usage.resident_bytes()
        )

    def allocate(self, body: object) -> Answer:
        self._asked_at = time.monotonic()
        try:
            allocation = Allocation.from_wire(body)
            self._propose(allocation)
        except (InvalidAllocationError, properties.UnusableMemoryError) as error:
            return 400, {"error": str(error)}
        except StaleAllocationError:
            newest = self._keeper.desired.generation
            return 409, {"error": f"generation {newest} is wanted already", "generation": newest}
        state = "Applied" if self._keeper.is_applied else "Applying"
        return 200, {"generation": allocation.generation, "state": state}

    def notice(self, body: object) -> Answer:
        """Pass on which executors have to end; who asks repeats it for as long as they are there."""
        application = body.get("applicationId") if isinstance(body, dict) else None
        executors = body.get("executors") if isinstance(body, dict) else None
        if not isinstance(application, str) or not isinstance(executors, list):
            return 400, {"error": "a notice names applicationId and a list of executors"}
        if not all(isinstance(id_, str) for id_ in executors):
            return 400, {"error": "executors are named by their ids, as text"}
        channel = self._channel
        if channel is None or not channel.send(
            {"type": "notice", "applicationId": application, "executors": executors}
        ):
            return 503, {"error": "Spark does not run"}
        return 202, {"executors": len(executors)}

    def stop(self, grace_seconds: float) -> None:
        self._stop_grace = grace_seconds
        self._wake.set()


def _target(allocation: Allocation) -> dict[str, Any]:
    """What the runner needs of an allocation: the rest is Spark's properties."""
    return {"type": "target", **allocation.to_wire()}
