"""`sparkiot dashboard` in headless Chromium: 200 jobs of an embedded cluster, keyboard, dark mode, outages, axe.

The browser is the system's (`apt-get install chromium`); where there is none the tests are skipped.
"""

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright
from support_dashboard import Played, event, played
from support_operator import Process, free_port, wait_until

from sparkiot_operator.audit import AuditLog
from sparkiot_operator.crd import build_crd
from sparkiot_operator.kube import KubeApi
from sparkiot_sim.devcluster import DevCluster

Json = dict[str, Any]
JOBS = 200
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")
PATIENCE_MS = 30_000


class Site:
    """A cluster that can go and come back, and the page of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._stack = contextlib.ExitStack()
        self.kubeconfig = folder / "kubeconfig"
        self.start_cluster()

    def start_cluster(self) -> None:
        self._stack.enter_context(
            DevCluster.in_thread(
                port=self._port, data=self._folder / "data", kubeconfig=self.kubeconfig, crds=[build_crd()]
            )
        )

    def stop_cluster(self) -> None:
        self._stack.close()

    def start_page(self) -> str:
        """Its address."""
        log = self._folder / "dashboard.log"
        audit = ("--audit-dir", str(self._folder / "audit"))
        self.page = Process("dashboard", "--port", "0", "--kubeconfig", str(self.kubeconfig), *audit, log=log)
        found = wait_until(lambda: re.search(r"http://127\.0\.0\.1:\d+/", self.page.text()), what="the page is served")
        return found[0]


@dataclass
class Watched:
    """A browser's page, and what went wrong in it. expected: what its errors may hold."""

    page: Page
    expected: str | None = None
    errors: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, str]]:
    """200 jobs with statuses; two have decisions in an audit log."""
    folder = tmp_path_factory.mktemp("dashboard")
    site = Site(folder)
    jobs = [played().renamed("iot", f"job-{n:03}", "") for n in range(JOBS)]
    uids = asyncio.run(fill(site.kubeconfig, jobs))
    log = AuditLog(folder / "audit", max_bytes=10**9, files=1)
    for name in ("job-000", "job-150"):
        for record in played().renamed("iot", name, uids[name]).records[-100:]:
            log.write(record)
    log.close()
    url = site.start_page()
    try:
        yield site, url
    finally:
        site.page.end()
        site.stop_cluster()


async def fill(kubeconfig: Path, jobs: list[Played]) -> dict[str, str]:
    """Create the jobs; their uids by name."""
    os.environ["KUBECONFIG"] = str(kubeconfig)
    uids = {}
    try:
        async with KubeApi(timeout_s=60) as api:
            await api.create("/api/v1/namespaces", {"metadata": {"name": "iot"}})
            for job in jobs:
                body = {**job.resource, "metadata": {"name": job.ref.name}}
                made = await api.create("/apis/sparkiot.dev/v1alpha1/namespaces/iot/sparkiotjobs", body)
                uids[job.ref.name] = made["metadata"]["uid"]
                version = made["metadata"]["resourceVersion"]
                await api.patch_status("iot", job.ref.name, job.resource["status"], version=version)
            told = event(jobs[0], "BurstAhead", "default: executors 4 -> 9 (BurstAhead)")
            about = {"kind": "SparkIoTJob", "namespace": "iot", "name": "job-000", "uid": uids["job-000"]}
            await api.create_event("iot", {**told, "metadata": {"generateName": "e."}, "involvedObject": about})
    finally:
        del os.environ["KUBECONFIG"]
    return uids


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture
def watched(fleet: tuple[Site, str], browser: Browser) -> Iterator[Watched]:
    """A page whose console stays empty and which asks nobody else, or the test fails.

    The cluster before the browser: playwright keeps an event loop in this thread, beside which no other runs.
    """
    _, url = fleet
    context = browser.new_context(base_url=url, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    found = Watched(context.new_page())
    found.page.on("console", lambda m: found.errors.append(m.text) if m.type in ("error", "warning") else None)
    found.page.on("pageerror", lambda e: found.errors.append(str(e)))
    found.page.on("request", lambda r: None if r.url.startswith(url) else found.elsewhere.append(r.url))
    yield found
    context.close()
    assert [e for e in found.errors if found.expected is None or found.expected not in e] == []
    assert found.elsewhere == []


def hurry(page: Page) -> None:
    """Let the page renew itself at once and often, by the event that it otherwise waits 5 s for."""
    page.evaluate("setInterval(() => htmx.trigger(document.getElementById('content'), 'every'), 300)")


def violations(page: Page) -> list[str]:
    """What axe-core finds that is more than minor, with the first place of each."""
    found = Axe().run(page).response["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html']}" for v in found if v["impact"] != "minor"]


def test_200_jobs_are_shown_sorted_and_found_by_keyboard_alone(watched: Watched) -> None:
    page = watched.page
    page.goto("/")
    expect(page.locator("tbody tr")).to_have_count(JOBS)
    seen = []
    for _ in range(18):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert seen[:9] == [
        "skip",
        "brand",
        "updates",
        "state-all",
        "state-trouble",
        "state-running",
        "state-rest",
        "q",
        "go",
    ]
    assert seen[9:] == [
        "scroll",
        *(f"by-{k}" for k in ["job", "state", "load", "executors", "allocation", "latency", "attained", "cost"]),
    ]
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", "the focus can be seen"
    page.locator("#by-job").focus()
    page.keyboard.press("Enter")
    expect(page.locator("th[aria-sort]")).to_have_text(re.compile("Job"))
    page.keyboard.press("Enter")
    expect(page.locator("th[aria-sort=descending]")).to_have_text(re.compile("Job"))
    expect(page.locator("tbody tr").first).to_contain_text("job-199")
    assert page.evaluate("document.activeElement.id") == "by-job", "the focus stays"
    assert page.url.endswith("/?sort=-job")
    page.locator("#q").fill("job-15")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(10)
    page.go_back()
    expect(page.locator("tbody tr")).to_have_count(JOBS)
    page.goto("/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content", "the skip link skips"


def test_a_page_renews_itself_without_losing_focus_and_can_be_paused(watched: Watched) -> None:
    page = watched.page
    page.goto("/")
    link = page.locator("tbody a").nth(120)
    link.focus()
    place, seen_at = link.get_attribute("id"), link.bounding_box()
    read = page.locator(".updates time").get_attribute("datetime")
    expect(page.locator(".updates time")).not_to_have_attribute("datetime", str(read), timeout=PATIENCE_MS)
    assert page.evaluate("document.activeElement.id") == place
    assert link.bounding_box() == seen_at, "what is read stays where it is"
    page.get_by_text("Pause updates").click()
    expect(page.get_by_text("Resume updates")).to_be_visible()
    assert page.locator("main[hx-get]").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_inaccessible_in_light_or_dark(watched: Watched, scheme: Any) -> None:
    page = watched.page
    watched.expected = "404"
    page.emulate_media(color_scheme=scheme)
    grounds = []
    for path in ("/?q=job-00&updates=off", "/jobs/iot/job-000?updates=off", "/jobs/iot/nobody"):
        page.goto(path)
        assert violations(page) == []
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert set(grounds) == {"rgb(245, 246, 248)" if scheme == "light" else "rgb(15, 19, 24)"}


@pytest.mark.parametrize("width", [1280, 500])
def test_no_page_is_wider_than_its_window(watched: Watched, width: int) -> None:
    page = watched.page
    page.set_viewport_size({"width": width, "height": 900})
    for path in ("/?q=job-00", "/jobs/iot/job-000"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") == width, path


def test_a_job_has_its_timeline_and_a_pointer_reads_it(watched: Watched) -> None:
    page = watched.page
    page.goto("/")
    page.locator("tbody a", has_text="job-000").click()
    expect(page.get_by_role("img", name="Timeline of iot/job-000")).to_be_visible()
    expect(page.locator("#distance, .distance")).to_contain_text("executors on average against Rate")
    expect(page.locator("section", has_text="Events")).to_contain_text("BurstAhead")
    moment = page.locator(".moment").nth(20)
    expect(moment.locator(".read")).to_be_hidden()
    moment.locator(".hit").hover()
    expect(moment.locator(".read")).to_be_visible()
    page.get_by_role("link", name="The same in numbers").click()
    expect(page.locator("tbody tr")).to_have_count(100)


def test_a_cluster_that_goes_is_said_to_be_gone_and_comes_back_by_itself(
    watched: Watched, fleet: tuple[Site, str]
) -> None:
    site, _ = fleet
    page = watched.page
    page.goto("/?q=job-00")
    hurry(page)
    site.stop_cluster()
    expect(page.get_by_role("alert").filter(has_text="The cluster cannot be read")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator("tbody tr")).to_have_count(10)
    site.start_cluster()
    expect(page.get_by_text("The cluster cannot be read")).to_have_count(0, timeout=PATIENCE_MS)


def test_a_dashboard_that_ends_is_said_to_be_away(watched: Watched, fleet: tuple[Site, str]) -> None:
    """The last test of this file: it ends the dashboard."""
    site, _ = fleet
    page = watched.page
    page.goto("/?q=job-00")
    hurry(page)
    expect(page.locator("#lost")).to_be_hidden()
    watched.expected = ""
    assert site.page.end() in (0, -15)
    expect(page.locator("#lost")).to_be_visible(timeout=PATIENCE_MS)
