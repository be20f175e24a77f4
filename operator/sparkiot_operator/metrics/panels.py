"""The dashboard's panels: the questions that a person asks at night, in that order, and the queries that answer them."""

import enum
from dataclasses import dataclass

JOB = 'namespace=~"$namespace", name=~"$name"'
RATE = "$__rate_interval"
LATE = "namespace_name:sparkiot_batches_late:ratio_rate"
ALLOWED = "namespace_name:sparkiot_batches_late_allowed:ratio"


class Kind(enum.StrEnum):
    """Grafana's name for a panel of its kind."""

    NUMBER = "stat"
    CURVE = "timeseries"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Query:
    """One query of PromQL. legend: a template of Grafana's."""

    expr: str
    legend: str = "{{namespace}}/{{name}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel. text: what it shows and what to make of it. unit: one of Grafana's. width: of 24 columns. alarming:
    from this value on a number turns red. A table has a column for each query, named by its legend."""

    title: str
    text: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: Kind = Kind.CURVE
    width: int = 8
    alarming: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


def by_job(metric: str, more: str = "") -> str:
    """A gauge of jobs, whichever replica it comes from."""
    return f"max by (namespace, name) ({metric}{{{JOB}{more}}})"


def quantile(q: float, metric: str) -> str:
    return f"histogram_quantile({q:g}, sum by (namespace, name, le) (rate({metric}_bucket{{{JOB}}}[{RATE}])))"


def increase(metric: str, label: str) -> str:
    return f"sum by (namespace, name, {label}) (increase({metric}{{{JOB}}}[{RATE}]))"


ROWS: tuple[Row, ...] = (
    Row("Is anything wrong?", (
        Panel(title="Alerts that fire", text="Each has a section in the runbook.", kind=Kind.NUMBER, width=4, alarming=1, queries=(
            Query('count(ALERTS{alertname=~"SparkIoT.*", alertstate="firing"}) or vector(0)', "alerts"),
        )),
        Panel(title="Jobs", text="Jobs that the leader runs.", kind=Kind.NUMBER, width=4, queries=(
            Query("sum(sparkiot_jobs)", "jobs"),
        )),
        Panel(title="Not ready", text="Jobs that run or are to run, and process nothing.", kind=Kind.NUMBER, width=4, alarming=1, queries=(
            Query(f'count(min by (namespace, name) (sparkiot_job_condition{{{JOB}, condition="Ready"}}) == 0 and on (namespace, name) sparkiot_job_phase_info{{phase=~"Pending|Running"}}) or vector(0)', "jobs"),
        )),
        Panel(title="Beyond the objective", text="Jobs of whose last hour more batches were late than the objective allows.", kind=Kind.NUMBER, width=4, alarming=1, queries=(
            Query(f"count({LATE}1h{{{JOB}}} > on (namespace, name) {ALLOWED}) or vector(0)", "jobs"),
        )),
        Panel(title="On the fallback rule", text="Jobs whose policy cannot act.", kind=Kind.NUMBER, width=4, alarming=1, queries=(
            Query(f"sum({by_job('sparkiot_job_fallback_active')})", "jobs"),
        )),
        Panel(title="Leaders", text="One for each operator; none is an alert.", kind=Kind.NUMBER, width=4, queries=(
            Query("sum(sparkiot_leader)", "leaders"),
        )),
    )),
    Row("Which job is it?", (
        Panel(title="Alerts that fire now", text="Each has a section of its name in the runbook.", kind=Kind.TABLE, width=10, queries=(
            Query('max by (alertname, severity, namespace, name) (ALERTS{alertname=~"SparkIoT.*", alertstate="firing"})', "firing"),
        )),
        Panel(title="Jobs at a glance", text="Late: share of the last hour's batches. Allowed: what the objective lets be late.", kind=Kind.TABLE, width=14, queries=(
            Query(by_job(f"{LATE}1h"), "late"),
            Query(by_job(ALLOWED), "allowed"),
            Query(by_job("sparkiot_job_backlog_messages"), "backlog"),
            Query(by_job("sparkiot_job_executors", ', state="running"'), "running"),
            Query(by_job("sparkiot_job_executors", ', state="desired"'), "desired"),
            Query(by_job("sparkiot_job_executors_limit", ', bound="max"'), "maximum"),
            Query(by_job("sparkiot_job_cost_dollars_per_hour"), "$/h"),
        )),
    )),
    Row("Does the job meet its objective?", (
        Panel(title="Latency of micro-batches", text="End to end, of the oldest row in each batch, beside the objective.", unit="s", queries=(
            Query(quantile(0.5, "sparkiot_job_batch_latency_seconds"), "p50 {{namespace}}/{{name}}"),
            Query(quantile(0.95, "sparkiot_job_batch_latency_seconds"), "p95 {{namespace}}/{{name}}"),
            Query(by_job("sparkiot_job_latency_objective_seconds"), "objective {{namespace}}/{{name}}"),
        )),
        Panel(title="Late micro-batches", text="Share that missed the objective, beside the share that it allows.", unit="percentunit", queries=(
            Query(f"{LATE}5m{{{JOB}}}", "5 min {{namespace}}/{{name}}"),
            Query(f"{LATE}1h{{{JOB}}}", "1 h {{namespace}}/{{name}}"),
            Query(f"{ALLOWED}{{{JOB}}}", "allowed {{namespace}}/{{name}}"),
        )),
        Panel(title="Burn rate of the error budget", text="1 uses up the budget of 30 days in 30 days; alerts begin at 14.4 over an hour and at 6 over six.", queries=(
            Query(f"{LATE}1h{{{JOB}}} / on (namespace, name) {ALLOWED}", "1 h {{namespace}}/{{name}}"),
            Query(f"{LATE}6h{{{JOB}}} / on (namespace, name) {ALLOWED}", "6 h {{namespace}}/{{name}}"),
        )),
    )),
    Row("What load is there, and does it keep up?", (
        Panel(title="Messages a second", text="What arrives, what the edge predicts, and what was processed.", unit="cps", queries=(
            Query(by_job("sparkiot_job_input_messages_per_second"), "in {{namespace}}/{{name}}"),
            Query(by_job("sparkiot_job_predicted_messages_per_second"), "predicted {{namespace}}/{{name}}"),
            Query(f"sum by (namespace, name) (rate(sparkiot_job_processed_messages_total{{{JOB}}}[{RATE}]))", "out {{namespace}}/{{name}}"),
        )),
        Panel(title="Backlog", text="Messages that wait for a micro-batch.", queries=(
            Query(by_job("sparkiot_job_backlog_messages")),
        )),
        Panel(title="Duration of micro-batches", text="Processing alone. Near the trigger interval a job cannot keep up.", unit="s", queries=(
            Query(quantile(0.5, "sparkiot_job_batch_duration_seconds"), "p50 {{namespace}}/{{name}}"),
            Query(quantile(0.95, "sparkiot_job_batch_duration_seconds"), "p95 {{namespace}}/{{name}}"),
        )),
    )),
    Row("What did the operator do, and why?", (
        Panel(title="Executors", text="Running below desired: they start, or find no room. Recommended above desired: a bound holds them.", width=12, queries=(
            Query(f"max by (namespace, name, state) (sparkiot_job_executors{{{JOB}}})", "{{state}} {{namespace}}/{{name}}"),
            Query(by_job("sparkiot_job_executors_limit", ', bound="max"'), "maximum {{namespace}}/{{name}}"),
        )),
        Panel(title="Decisions by reason", text="What decisions did.", width=6, queries=(
            Query(increase("sparkiot_job_decisions_total", "reason"), "{{reason}} {{namespace}}/{{name}}"),
        )),
        Panel(title="Clamps by code", text="Which bounds changed the proposals.", width=6, queries=(
            Query(increase("sparkiot_job_clamps_total", "code"), "{{code}} {{namespace}}/{{name}}"),
        )),
        Panel(title="Memory of an executor", text="As desired; another value restarts Spark from its checkpoint.", unit="bytes", width=6, queries=(
            Query(by_job("sparkiot_job_executor_memory_bytes")),
        )),
        Panel(title="Shuffle tier and compression", text="As desired.", width=6, queries=(
            Query(f"max by (namespace, name, tier, compression) (sparkiot_job_shuffle_info{{{JOB}}})", "{{tier}} {{compression}} {{namespace}}/{{name}}"),
        )),
        Panel(title="Policy", text="What acted last, with its digest. A rule's is builtin.", width=6, queries=(
            Query(f"max by (namespace, name, policy, digest) (sparkiot_job_policy_info{{{JOB}}})", "{{policy}} {{digest}} {{namespace}}/{{name}}"),
        )),
        Panel(title="Conditions", text="1 is True, 0 False; Unknown has no line.", width=6, queries=(
            Query(f"max by (namespace, name, condition) (sparkiot_job_condition{{{JOB}}})", "{{condition}} {{namespace}}/{{name}}"),
        )),
    )),
    Row("What does it cost?", (
        Panel(title="Dollars an hour", text="What is billed now, beside the budget.", unit="currencyUSD", queries=(
            Query(by_job("sparkiot_job_cost_dollars_per_hour")),
            Query(by_job("sparkiot_job_budget_dollars_per_hour"), "budget {{namespace}}/{{name}}"),
        )),
        Panel(title="Restarts and lost executors", text="By cause; each restart from the checkpoint costs an outage.", queries=(
            Query(increase("sparkiot_job_restarts_total", "cause"), "{{cause}} {{namespace}}/{{name}}"),
            Query(f"sum by (namespace, name) (increase(sparkiot_job_executors_lost_total{{{JOB}}}[{RATE}]))", "executors lost {{namespace}}/{{name}}"),
            Query(f"sum by (namespace, name) (increase(sparkiot_job_executors_out_of_memory_total{{{JOB}}}[{RATE}]))", "out of memory {{namespace}}/{{name}}"),
        )),
        Panel(title="Seconds without processing", text="Outages of restarts as measured, and job time that was not ready.", unit="s", queries=(
            Query(f"sum by (namespace, name) (increase(sparkiot_job_restart_outage_seconds_total{{{JOB}}}[{RATE}]))", "restarts {{namespace}}/{{name}}"),
            Query(f"sum by (namespace, name) (increase(sparkiot_job_unready_seconds_total{{{JOB}}}[{RATE}]))", "not ready {{namespace}}/{{name}}"),
        )),
    )),
    Row("Are edge and shuffle tiers well?", (
        Panel(title="Age of the newest burst signal", text="Of live jobs that follow the edge.", unit="s", queries=(
            Query(by_job("sparkiot_job_signal_age_seconds")),
        )),
        Panel(title="Burst signals by outcome", text="Accepted, or why they were dropped.", queries=(
            Query(increase("sparkiot_job_signals_total", "outcome"), "{{outcome}} {{namespace}}/{{name}}"),
        )),
        Panel(title="Shuffle tiers that fail", text="And why; another tier stands in.", queries=(
            Query(f"max by (namespace, name, tier, reason) (sparkiot_job_shuffle_tier_failing{{{JOB}}})", "{{tier}} {{reason}} {{namespace}}/{{name}}"),
        )),
    )),
    Row("Is the operator itself well?", (
        Panel(title="Cycles", text="How long one takes, and how late it starts. Late starts: too many jobs for one operator.", unit="s", queries=(
            Query(f"histogram_quantile(0.99, sum by (le) (rate(sparkiot_cycle_duration_seconds_bucket[{RATE}])))", "p99 duration"),
            Query(f"histogram_quantile(0.99, sum by (le) (rate(sparkiot_cycle_lateness_seconds_bucket[{RATE}])))", "p99 lateness"),
            Query(f"histogram_quantile(0.99, sum by (le) (rate(sparkiot_policy_inference_seconds_bucket[{RATE}])))", "p99 inference"),
        )),
        Panel(title="Calls to the API server", text="By verb and code; error where no answer came.", unit="reqps", queries=(
            Query(f"sum by (verb, code) (rate(sparkiot_api_requests_total[{RATE}]))", "{{verb}} {{code}}"),
        )),
        Panel(title="Time of calls to the API server", text="Until the answer began.", unit="s", queries=(
            Query(f"histogram_quantile(0.99, sum by (verb, le) (rate(sparkiot_api_request_duration_seconds_bucket[{RATE}])))", "p99 {{verb}}"),
        )),
        Panel(title="What goes wrong", text="Failed cycles, skipped cycles, status writes and audit lines that failed.", queries=(
            Query(f"sum(increase(sparkiot_job_cycle_errors_total[{RATE}]))", "failed cycles"),
            Query(f"sum(increase(sparkiot_job_cycles_skipped_total[{RATE}]))", "skipped cycles"),
            Query(f'sum(increase(sparkiot_status_writes_total{{outcome="failed"}}[{RATE}]))', "failed status writes"),
            Query(f"sum(increase(sparkiot_audit_errors_total[{RATE}]))", "lost audit lines"),
            Query("sum(sparkiot_policies_failed)", "policies that cannot be loaded"),
        )),
        Panel(title="Processor", text="Cores.", queries=(
            Query(f"rate(process_cpu_seconds_total[{RATE}]) and on (instance) sparkiot_leader", "{{instance}}"),
        )),
        Panel(title="Memory", text="Resident.", unit="bytes", queries=(
            Query("process_resident_memory_bytes and on (instance) sparkiot_leader", "{{instance}}"),
        )),
    )),
)  # fmt: skip
