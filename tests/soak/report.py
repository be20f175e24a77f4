"""What a soak leaves for people: report.md and soak.png, beside the tables that it wrote while it ran."""

from collections import Counter
from pathlib import Path

from matplotlib.figure import Figure

from sparkiot_sim.tournament.report import markdown_table

from .findings import MEASURES, STORM_PER_HOUR, Findings, Measure
from .jobs import ACCELERATION, INTERVAL

PICTURE = "soak.png"
COLORS = ("#1f5fa8", "#e07a1f")


def write(folder: Path, findings: Findings) -> None:
    (folder / "report.md").write_text(markdown(findings), encoding="utf-8")
    draw(findings, folder / PICTURE)


def markdown(found: Findings) -> str:
    verdict = "\n".join(f"- {fault}" for fault in found.faults) or "Nothing grew beyond its bound, drifted or stormed."
    return f"""# Soak: {found.hours:.2f} hours, {len(found.samples)} samples

{_load(found)}

## Verdict

{verdict}

## Growth

Slope of a line through the means of 5-minute blocks from minute {found.warm_up_min:.0f} on, with its 95 % interval;
flat when the whole interval is below the bound, growing when it is above.

{_growth(found)}

## Status and reality

{_drift(found)}

## Events

{_events(found)}

![Memory, files, objects and events over time]({PICTURE})
"""


def _load(found: Findings) -> str:
    last, first = found.last, found.samples[0]
    seconds = (last["minutes"] - first["minutes"]) * 60 or 1.0
    rate = {name: (last[name] - first[name]) / seconds for name in ("decisions", "status_writes", "api_writes")}
    cores = {name: (last[f"{name}_cpu_s"] - first[f"{name}_cpu_s"]) / seconds for name in ("operator", "cluster")}
    actions = ", ".join(f"{what} {count}" for what, count in sorted(found.actions.items()))
    return (
        f"{last['jobs']:.0f} jobs at {ACCELERATION:g} times real time with a decision every {INTERVAL} of it:"
        f" {rate['decisions']:.1f} decisions/s, {rate['status_writes']:.1f} status patches/s,"
        f" {rate['api_writes']:.1f} API writes/s. Processors in use: operator {cores['operator']:.2f}, API server"
        f" {cores['cluster']:.2f}. Cycles left out because one was late: {last['skipped']:.0f}."
        f" Actions: {actions or 'none'}."
    )


def _growth(found: Findings) -> str:
    headings = ("what", "first", "after warm-up", "last", "an hour", "95 % interval", "bound", "verdict")
    return "\n".join(markdown_table(headings, [_row(found, measure) for measure in MEASURES]))


def _drift(found: Findings) -> str:
    compared = sum(sample["compared"] for sample in found.samples)
    starved = sum(bool(sample["starved"]) for sample in found.samples)
    return (
        f"Statuses compared with the audit log, as the cycle that they name: {compared:.0f}."
        f" Longest that a difference stood, such as after an edit: {found.last['agreed_s']:.0f} s."
        f" Samples at which the machine did not let the operator keep up, and which say nothing of drift:"
        f" {starved} of {len(found.samples)}. Drift: {len(found.drift) or 'none'}."
        f" Failed cycles: {found.last['cycle_errors']:.0f}."
        f" Failed status writes, mended by the next: {found.last['status_writes_failed']:.0f}."
    )


def _events(found: Findings) -> str:
    reasons = Counter[str]()
    for (_, reason), count in found.events.items():
        reasons[reason] += count
    busiest, most = max(found.events.items(), key=lambda item: item[1], default=(("none", "none"), 0))
    return (
        f"{found.events_per_job_hour:.1f} a job and hour, {found.events_per_job_load_hour:.2f} a job and hour of load."
        f" By reason: {', '.join(f'{reason} {count}' for reason, count in reasons.most_common())}."
        f" Most of one reason on one job: {most / found.hours:.1f} an hour ({' '.join(busiest)});"
        f" {STORM_PER_HOUR:g} would be a storm."
    )


def _row(found: Findings, measure: Measure) -> tuple[str, ...]:
    values = [sample[measure.column] for sample in found.samples]
    warm = next(s[measure.column] for s in found.samples if s["minutes"] >= found.warm_up_min)
    numbers = [f"{value:.4g}" for value in (values[0], warm, values[-1])]
    unit = f" {measure.unit}" if measure.unit else ""
    trend = found.trends[measure]
    slope = ("–", "–") if trend is None else (f"{trend.slope:+.2f}", f"{trend.low:+.2f} to {trend.high:+.2f}")
    return (measure.title + unit, *numbers, *slope, f"{measure.bound:g}", found.verdicts[measure])


def draw(found: Findings, path: Path) -> None:
    """Memory with its trends, files and threads, what is stored, and events by five minutes."""
    figure = Figure(figsize=(11, 10), layout="constrained")
    memory, files, stored, load = figure.subplots(4, 1, sharex=True)
    minutes = [sample["minutes"] for sample in found.samples]

    def column(name: str) -> list[float]:
        return [sample[name] for sample in found.samples]

    for name, color in zip(("operator", "cluster"), COLORS, strict=True):
        title = {"operator": "operator", "cluster": "API server"}[name]
        memory.plot(minutes, column(f"{name}_rss_mib"), color=color, linewidth=0.9, label=title)
        files.plot(minutes, column(f"{name}_fds"), color=color, linewidth=0.9, label=f"{title}, files")
        files.plot(minutes, column(f"{name}_threads"), color=color, linestyle=":", label=f"{title}, threads")
        measure = next(measure for measure in MEASURES if measure.column == f"{name}_rss_mib")
        if (trend := found.trends[measure]) is not None:
            ends = [found.warm_up_min, minutes[-1]]
            text = f"{trend.slope:+.2f} MiB/h ({trend.low:+.2f} to {trend.high:+.2f})"
            memory.plot(ends, [trend.line(end) for end in ends], color=color, linestyle="--", label=text)
    stored.plot(minutes, column("objects_others"), color=COLORS[0], label="objects without events")
    stored.plot(minutes, column("objects_events"), color=COLORS[1], label="events")
    stored.plot(minutes, column("disk_mib"), color="#3a3a3a", label="files, MiB")
    pairs = list(zip(found.samples, found.samples[1:], strict=False))
    later = [after["minutes"] for _, after in pairs]
    for name, text in (("decisions", "decisions/s"), ("api_writes", "API writes/s")):
        rates = [(b[name] - a[name]) / ((b["minutes"] - a["minutes"]) * 60) for a, b in pairs]
        load.plot(later, rates, linewidth=0.9, label=text)
    for axes, label in ((memory, "MiB"), (files, "count"), (stored, "count"), (load, "a second")):
        axes.axvspan(0, found.warm_up_min, color="#eeeeee")
        axes.set_ylabel(label)
        axes.set_ylim(bottom=0)
        axes.legend(loc="lower right", fontsize=8, ncols=4)
    load.set_xlabel("minutes (grey: warm-up)")
    figure.savefig(path, dpi=110)
