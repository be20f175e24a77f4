"""Settings of all tests."""

import os
import signal

import pytest
from hypothesis import settings

# How long an example takes says more about the machine than about the code.
settings.register_profile("no-deadline", deadline=None)
# In CI the same examples each time: a change is judged by what it changed. Elsewhere they differ, and go on finding.
settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("long", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "no-deadline"))

# Most of what a short-lived Spark does is compiling itself: with the quick compiler alone the tests take two thirds of
# the processor time. Everything that a test starts inherits it, pods of the embedded cluster too.
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData")

# A shell that runs the tests in the background has them ignore Ctrl-C, and so all that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

OPTIONAL = ("beside the checkout", "need Spark 4.2")
"""Reasons that may skip a test in CI too: what no machine can be expected to have, and what only the other release of
Spark can do, with which `make test-spark4` tests."""


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test is a part that nobody checked, so it fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("CI") or reporter is None:
        return
    skipped = [
        r for r in reporter.stats.get("skipped", []) if not any(reason in str(r.longrepr) for reason in OPTIONAL)
    ]
    if skipped:
        reporter.write_line(f"{len(skipped)} tests were skipped, and in CI nothing may be", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not os.environ.get("KUBECONFIG"):
        terminalreporter.write_line("not run: the API server contract on a real cluster (set KUBECONFIG)")
