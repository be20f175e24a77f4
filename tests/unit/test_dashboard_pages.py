"""The pages as a browser gets them: what is there, what is missing, and nothing that a cluster could smuggle in."""

import copy
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import aiohttp
import pytest
from support_dashboard import HOSTILE, Clock, FakeApi, board, event, filled, played

from sparkiot_operator.dashboard.jobs import view
from sparkiot_operator.dashboard.overview import Query, overview
from sparkiot_operator.dashboard.samples import Timelines
from sparkiot_operator.dashboard.server import PageServer
from sparkiot_operator.errors import ApiNotFoundError, ApiRefusedError, ApiUnreachableError

Json = dict[str, Any]


@dataclass
class Page(HTMLParser):
    """What a browser makes of it."""

    text: str = ""
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def having(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        return [a for t, a in self.tags if t == tag and wanted.items() <= a.items()]


@dataclass
class Site:
    """A served board. served: the last answer."""

    api: FakeApi
    clock: Clock
    server: PageServer
    session: aiohttp.ClientSession
    headers: Any = None

    async def get(self, path: str = "", *, status: int = 200, **headers: str) -> Page:
        async with self.session.get(self.server.url + path.removeprefix("/"), headers=headers) as answer:
            assert answer.status == status, await answer.text()
            self.headers = answer.headers
            page = Page()
            page.feed(await answer.text())
            self.clock.now += 10
            return page


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    job = played().recent(40)
    api = FakeApi(jobs=[job.resource], events=[event(job, "BurstAhead", "default: executors 4 -> 9")])
    clock = Clock()
    async with (
        PageServer(board(api, filled(job), clock=clock), port=0, flag="--port") as server,
        aiohttp.ClientSession() as session,
    ):
        yield Site(api, clock, server, session)


async def test_the_overview_shows_each_job_with_units(site: Site) -> None:
    page = await site.get()
    status = site.api.jobs[0]["status"]
    assert "iot/healthcare" in page.text
    assert f"${float(status['costPerHour']):.2f}" in page.text
    assert "\u202fmsg/s" in page.text
    assert [a["href"] for a in page.having("a", id="job-uid-healthcare")] == ["/jobs/iot/healthcare"]
    assert len(page.having("svg")) == 1, "the load of the last hour"


async def test_a_job_page_shows_timeline_decisions_distance_conditions_and_events(site: Site) -> None:
    page = await site.get("jobs/iot/healthcare")
    for wanted in (
        "Timeline",
        "Distance to the rule",
        "rule Rate",
        "ObjectiveMet",
        "BurstAhead",
        "forecast",
        "sha256:",
    ):
        assert wanted in page.text
    (picture,) = page.having("svg", role="img")
    named = set((picture["aria-labelledby"] or "").split())
    assert named <= {a.get("id") for _, a in page.tags}, "the picture's words exist"
    assert page.having("main", id="content")[0]["hx-get"] == "/jobs/iot/healthcare"


async def test_the_same_in_numbers(site: Site) -> None:
    page = await site.get("jobs/iot/healthcare/numbers")
    assert len(page.having("tr")) == 1 + 40
    assert page.having("a", href="/jobs/iot/healthcare")


async def test_what_is_not_known_is_a_dash_and_not_zero(site: Site) -> None:
    site.api.jobs = [{"metadata": {"namespace": "iot", "name": "new", "uid": "u"}, "spec": {}}]
    page = await site.get()
    (row,) = page.having("tr", id="row-u")
    assert row is not None
    assert "not seen yet" in page.text
    assert page.text.count("–") >= 8
    cells = page.text.split("iot/new")[1].split("Timelines")[0]
    assert "0" not in cells
    page = await site.get("jobs/iot/new")
    for wanted in ("Fewer than two cycles", "No decision is remembered", "No operator has looked", "Not known"):
        assert wanted in page.text


async def test_all_that_comes_from_a_cluster_is_escaped(site: Site) -> None:
    """Every text of the resource and of its events is hostile, and stands on the page as text."""
    job = copy.deepcopy(played().resource)
    hostile = _poisoned(job["status"])
    job |= {"status": hostile, "spec": _poisoned(job["spec"])}
    job["status"]["phase"] = HOSTILE
    job["metadata"] = {"namespace": "iot", "name": "x", "uid": 'u"><script>'}
    bad = event(played(), HOSTILE, HOSTILE)
    bad["involvedObject"] = {"name": "x", "uid": 'u"><script>'}
    bad["type"] = HOSTILE
    site.api.jobs, site.api.events = [job], [bad]
    for path in ("", "jobs/iot/x", "jobs/iot/x/numbers", "?q=" + HOSTILE.replace("&", "%26").replace("#", "%23")):
        page = await site.get(path)
        assert [a.get("src") for t, a in page.tags if t == "script"] == [
            "/static/vendor/htmx-4.0.1.min.js",
            "/static/page.js",
        ]
        assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)]
        assert not page.having("img", src="x")
    page = await site.get("jobs/iot/x")
    assert page.text.count(HOSTILE) > 5


async def test_a_name_in_the_address_is_escaped_too(site: Site) -> None:
    page = await site.get("jobs/iot/%3Cscript%3E", status=404)
    assert "There is no job iot/<script>" in page.text
    assert len(page.having("script")) == 2


def _poisoned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _poisoned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_poisoned(item) for item in value]
    return HOSTILE if isinstance(value, str) else value


@pytest.mark.parametrize("odd", [None, [], "text", 7, True, {"a": {}}, [None, 3], float("nan")])
def test_a_resource_of_any_shape_has_a_view(odd: Any) -> None:
    keys = ("metadata", "spec", "status")
    assert view(dict.fromkeys(keys, odd)).running is None
    inner = {
        section: dict.fromkeys(played().resource[section], odd) | ({"name": "x"} if section == "metadata" else {})
        for section in keys
    }
    seen = view(inner)
    assert seen.decision is None or seen.decision.time is None
    assert seen.severity in range(5)


async def test_the_api_server_goes_and_comes_back(site: Site) -> None:
    await site.get()
    site.api.error = ApiUnreachableError("GET /apis: no answer: refused")
    page = await site.get()
    assert "The cluster cannot be read since 01:43:30 UTC" in " ".join(page.text.split())
    assert "What is shown is of 01:43:20 UTC" in page.text
    assert "no answer: refused" in page.text
    assert "iot/healthcare" in page.text, "the last jobs stay"
    page = await site.get("jobs/iot/healthcare")
    assert "since 01:43:30" in " ".join(page.text.split()), "the first failure, not the last"
    site.api.error = None
    assert "cannot be read" not in (await site.get()).text


async def test_a_cluster_without_the_crd_and_one_without_jobs_say_what_to_do(site: Site) -> None:
    api = FakeApi(error=ApiNotFoundError("GET …: 404"))
    async with PageServer(board(api), port=0, flag="--port") as server:
        fresh = Site(api, Clock(), server, site.session)
        page = await fresh.get()
        assert "kubectl apply -f crds/" in page.text
        assert "No list of jobs was read yet" in page.text
        assert "nothing is known of iot/a" in (await fresh.get("jobs/iot/a", status=404)).text
    site.api.jobs = []
    assert "There are no jobs." in (await site.get()).text


async def test_events_that_may_not_be_read_are_said_to_be(site: Site) -> None:
    site.api.events_error = ApiRefusedError("GET …/events: 403 forbidden")
    page = await site.get("jobs/iot/healthcare")
    assert "Events cannot be read: GET …/events: 403 forbidden" in page.text
    assert "Timeline" in page.text


async def test_what_only_live_jobs_have_is_shown_where_it_is(site: Site) -> None:
    assert "Driver" not in (await site.get("jobs/iot/healthcare")).text
    job = copy.deepcopy(site.api.jobs[0])
    job["status"] |= {"driver": {"pod": "city-driver", "restarts": 2, "lastFailure": {"reason": "OutOfMemory"}}}
    site.api.jobs = [job]
    page = " ".join((await site.get("jobs/iot/healthcare")).text.split())
    for wanted in ("Driver podcity-driver", "Driver restarts2", "Last failureOutOfMemory"):
        assert wanted in page


async def test_who_acts_instead_of_the_policy_is_what_the_condition_says_now(site: Site) -> None:
    """The last decision that changed anything may be older than the end of a fallback."""
    job = copy.deepcopy(site.api.jobs[0])
    job["status"]["decision"]["fallback"] = "PolicyFailed"
    site.api.jobs = [job]
    assert "Acts insteadnobody" in (await site.get("jobs/iot/healthcare")).text
    (degraded,) = [c for c in job["status"]["conditions"] if c["type"] == "Degraded"]
    degraded |= {"status": "True", "reason": "PolicyFailed"}
    assert "Acts insteadRate: PolicyFailed" in (await site.get("jobs/iot/healthcare")).text


async def test_an_api_server_that_is_away_is_not_asked_for_events_too(site: Site) -> None:
    await site.get()
    site.api.error = ApiUnreachableError("GET /apis: no answer")
    site.api.events_error = ApiRefusedError("it was asked")
    page = await site.get("jobs/iot/healthcare")
    assert "Events cannot be read: GET /apis: no answer" in page.text


async def test_events_of_an_earlier_job_of_the_name_are_not_shown(site: Site) -> None:
    site.api.events[0]["involvedObject"]["uid"] = "another"
    assert "The API server holds no events" in (await site.get("jobs/iot/healthcare")).text


async def test_one_list_serves_every_browser(site: Site) -> None:
    site.clock.now -= 10
    await site.get()
    site.clock.now -= 10
    await site.get("jobs/iot/healthcare")
    assert site.api.calls == 1


async def test_nothing_is_loaded_from_elsewhere_and_nothing_is_inline(site: Site) -> None:
    for path in ("", "jobs/iot/healthcare", "jobs/iot/healthcare/numbers", "static/page.css", "nothing"):
        page = await site.get(path, status=404 if path == "nothing" else 200)
        assert "default-src 'none'" in site.headers["Content-Security-Policy"]
        assert "unsafe" not in site.headers["Content-Security-Policy"]
        assert site.headers["X-Content-Type-Options"] == "nosniff"
        assert not [a for _, a in page.tags if "style" in a]
        assert not page.having("style")
        addresses = [a[key] or "" for _, a in page.tags for key in ("src", "href", "action", "hx-get") if key in a]
        assert all(address.startswith(("/", "#")) and not address.startswith("//") for address in addresses)


async def test_only_names_of_this_machine_are_answered(site: Site) -> None:
    await site.get(Host="localhost:8090")
    await site.get(Host="[::1]:8090")
    page = await site.get(Host="rebound.example:8090", status=421)
    assert "healthcare" not in page.text


async def test_it_only_reads(site: Site) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        async with site.session.request(method, site.server.url) as answer:
            assert answer.status == 405


async def test_a_standby_says_so() -> None:
    shown = board(FakeApi(jobs=[played().resource]))
    shown.standby = lambda: True
    async with PageServer(shown, port=0, flag="--port") as server, aiohttp.ClientSession() as session:
        assert "This replica stands by" in (await Site(FakeApi(), Clock(), server, session).get()).text


async def test_updates_can_be_paused(site: Site) -> None:
    page = await site.get("?updates=off&sort=job")
    assert "hx-get" not in page.having("main")[0]
    assert page.having("a", id="updates")[0]["href"] == "/?sort=job"
    assert "hx-get" not in (await site.get("jobs/iot/healthcare?updates=off")).having("main")[0]


async def test_a_heading_sorts_and_the_address_says_how(site: Site) -> None:
    page = await site.get("?sort=state&by=load")
    assert site.headers["HX-Push-Url"] == "/?sort=load"
    sorted_by = [a for a in page.having("th") if "aria-sort" in a]
    assert [a["aria-sort"] for a in sorted_by] == ["descending"]


def jobs(*costs: str | None) -> list[Any]:
    return [
        view({"metadata": {"name": f"j{n}", "namespace": "a", "uid": str(n)}, "status": {"costPerHour": cost}})
        for n, cost in enumerate(costs)
    ]


def names(query: str, *costs: str | None) -> list[str]:
    found = overview(jobs(*costs), Timelines(), Query(sort=query))
    return [row.job.ref.name for row in found.rows]


def test_missing_values_come_last_in_either_order() -> None:
    costs = ("2.00", None, "10.00", "0.00")
    assert names("cost", *costs) == ["j2", "j0", "j3", "j1"]
    assert names("-cost", *costs) == ["j3", "j0", "j2", "j1"]


def test_a_sum_counts_what_is_known_only() -> None:
    totals = overview(jobs("2.00", None), Timelines(), Query()).totals
    assert (totals.cost, totals.costing, totals.jobs, totals.running) == (2.0, 1, 2, None)


def test_trouble_comes_first_and_can_be_looked_for() -> None:
    def job(name: str, phase: str, met: str) -> Any:
        conditions = [{"type": "ObjectiveMet", "status": met, "reason": "R"}]
        return view({"metadata": {"name": name}, "status": {"phase": phase, "conditions": conditions}})

    states = [("a", "Running", "True"), ("b", "Suspended", "False"), ("c", "Running", "False"), ("d", "Failed", "True")]
    found = [job(*state) for state in states]
    assert [r.job.ref.name for r in overview(found, Timelines(), Query()).rows] == ["d", "c", "a", "b"]
    assert [r.job.ref.name for r in overview(found, Timelines(), Query(state="trouble")).rows] == ["d", "c"]
    assert [r.job.ref.name for r in overview(found, Timelines(), Query(search="SUSP b")).rows] == ["b"]


def test_more_jobs_than_a_page_holds_are_paged() -> None:
    many = jobs(*["1.00"] * 450)
    last = overview(many, Timelines(), Query(page=99))
    assert (len(last.rows), last.pages, last.query.page, last.found) == (50, 3, 3, 450)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "/"),
        ({"sort": "nonsense", "page": "-1", "state": "x", "q": "  "}, "/"),
        ({"sort": "load", "by": "load"}, "/?sort=-load"),
        ({"sort": "-load", "by": "load", "page": "3"}, "/?sort=load"),
        ({"q": "a&b", "state": "trouble", "page": "2", "updates": "off"}, "/?q=a%26b&state=trouble&page=2&updates=off"),
        ({"page": "٣"}, "/"),
    ],
)
def test_an_address_is_read_leniently_and_written_canonically(given: dict[str, str], url: str) -> None:
    assert Query.parse(given).url() == url
