"""``sparkiot edge-evaluate``: how early and how rightly each predictor announces the bursts of a load."""

from pathlib import Path
from typing import Annotated, Any

import typer

from .console import Output, OutputOption, errors, fail, print_rows

HEADINGS = {
    "predictor": "predictor",
    "bursts": "bursts",
    "alarms": "alarms",
    "announced": "announced",
    "caught": "caught",
    "precision": "precision",
    "f1": "F1",
    "lead_s": "lead s",
    "brier": "Brier",
    "brier_of_a_constant": "of a constant",
    "calibration_error": "calibration",
    "rate_error": "rate error",
    "rate_error_of_persistence": "of persistence",
}


def edge_evaluate(
    trace: Annotated[
        Path | None, typer.Argument(metavar="[TRACE]", help="CSV with timestamp and value. Default: generated loads.")
    ] = None,
    predictor: Annotated[list[str] | None, typer.Option(help="Repeat to compare. Default: all.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Days of each kind of generated load.")] = 2,
    mean_rate: Annotated[float, typer.Option(min=0.001, help="Scale a trace to this mean, messages/s.")] = 300.0,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two measurements.")] = 1.0,
    horizon: Annotated[float, typer.Option(min=1, max=3600, help="Seconds that a prediction looks ahead.")] = 60.0,
    png: Annotated[Path | None, typer.Option(help="Write a picture.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Lead time, recall, precision, calibration and error of the rate of the edge's predictors."""
    from sparkiot_edge.predictors import PREDICTORS, Timing
    from sparkiot_operator.edge_quality.evaluation import evaluate, generated_loads, recorded_load, timing_for
    from sparkiot_sim.generators import Kind
    from sparkiot_sim.trace import TraceError

    names = predictor or list(PREDICTORS)
    if unknown := [name for name in names if name not in PREDICTORS]:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(PREDICTORS)}", param_hint="--predictor")
    try:
        if trace:
            load, warnings = recorded_load(trace, mean_rate=mean_rate)
            for warning in warnings:
                errors.print(f"warning: {trace}: {warning}", style="yellow", markup=False, soft_wrap=True)
            loads, timing = [load], timing_for(load, interval_s=interval, horizon_s=horizon)
        else:
            loads, timing = generated_loads(list(Kind), seeds=seeds), Timing(interval_s=interval, horizon_s=horizon)
        found = evaluate(loads, timing, predictors=names)
    except (TraceError, ValueError) as error:
        fail(str(error))
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed; pip install 'sparkiot[edge]' brings it")
    source = trace.name if trace else f"{seeds} generated days of each kind"
    title = f"{source}; a rate every {timing.interval_s:g} s, horizon {timing.horizon_s:g} s"
    rows = [each.row() for each in found]
    shown = rows if output is Output.JSON else [{key: _rounded(value) for key, value in row.items()} for row in rows]
    print_rows(shown, title=title, headings=HEADINGS, output=output)
    if png:
        from sparkiot_operator.edge_quality.picture import draw

        try:
            draw(found, png, title=title)
        except OSError as error:
            fail(f"{png} cannot be written: {error.strerror}")
        errors.print(f"written: {png}", markup=False)


def _rounded(value: Any) -> Any:
    return float(f"{value:.3g}") if isinstance(value, float) else value
