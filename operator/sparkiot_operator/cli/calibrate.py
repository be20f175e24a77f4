"""``sparkiot calibrate``: measure the simulator's constants on real Spark and real tiers, and say how far it is off."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from .cluster import with_api
from .console import Output, console, errors, fail, print_rows

if TYPE_CHECKING:
    from sparkiot_operator.calibration.plan import Plan
    from sparkiot_operator.calibration.tiers import Measured
    from sparkiot_sim.calibrate.records import Measurements, SparkRecord

Step = Callable[[str], None]
CALL_TIMEOUT_S = 5.0
HEADINGS = {
    "recording": "recording",
    "batches": "batches",
    "measured_s": "measured s",
    "predicted_s": "predicted s",
    "median_error": "median error",
    "bias": "bias",
    "p90_error": "P90 error",
}


def calibrate(
    to: Annotated[Path, typer.Option(metavar="FOLDER", help="Where calibration, report and logs go.")] = Path(
        "runs/calibrate"
    ),
    redis: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Measure the hot tier. Credentials: REDIS_USERNAME, REDIS_PASSWORD."),
    ] = None,
    nvme: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Measure the warm tier: a folder on the disk.")
    ] = None,
    s3: Annotated[
        str | None,
        typer.Option(
            metavar="ENDPOINT/BUCKET", help="Measure the cold tier. Credentials: as boto3 reads them (AWS_…)."
        ),
    ] = None,
    spark: Annotated[bool, typer.Option(help="Measure Spark, on an embedded cluster of its own.")] = True,
    quick: Annotated[bool, typer.Option(help="Only the cost of a batch and of an executor's start.")] = False,
    records: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Evaluate measured.json of an earlier run, and measure nothing."),
    ] = None,
) -> None:
    """Measure the constants of the simulator's cluster model, and replay the measured run in it."""
    from sparkiot_operator.errors import OperatorError
    from sparkiot_operator.processes import ProcessFailedError
    from sparkiot_sim.calibrate.outcome import FILE, REPORT, evaluate, write
    from sparkiot_sim.calibrate.report import summary

    try:
        if records:
            measurements = _read(records)
        else:
            measurements = _measure(to, stores=_stores(redis, nvme, s3), plan=_plan(quick) if spark else None)
        outcome = evaluate(measurements)
        write(to, measurements, outcome)
    except (OperatorError, ProcessFailedError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("stopped before all was measured; nothing was written", code=130)
    except OSError as error:
        fail(f"{to} cannot be used: {error}")
    for line in outcome.fits.open:
        errors.print(f"not measured: {line}", style="yellow", markup=False, soft_wrap=True)
    if outcome.replayed:
        title = "batch duration, predicted by the simulator against measured"
        print_rows(summary(outcome.replayed), title=title, headings=HEADINGS, output=Output.TABLE)
    console.print(f"constants: {to / FILE}    report: {to / REPORT}", markup=False, soft_wrap=True)


def _read(path: Path) -> "Measurements":
    from pydantic import ValidationError

    from sparkiot_sim.calibrate.records import Measurements

    try:
        return Measurements.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        fail(f"{path}: cannot be read: {error.strerror}")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        fail(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}")


def _stores(redis: str | None, nvme: Path | None, s3: str | None) -> "list[Measured]":
    """The tiers that were named. Raises CalibrateError for one that cannot be addressed."""
    from sparkiot_operator.calibration import tiers

    if redis or nvme or s3:
        tiers.require_clients()
    stores: list[Measured] = []
    if redis:
        stores.append(tiers.redis_tier(redis))
    if nvme:
        stores.append(tiers.folder_tier(nvme))
    if s3:
        stores.append(tiers.s3_tier(s3))
    return stores


def _plan(quick: bool) -> "Plan | None":
    """What Spark is to do; None where there is none."""
    from sparkiot_operator.calibration.plan import FULL, QUICK
    from sparkiot_operator.live_demo import missing_packages

    if missing := missing_packages():
        errors.print(
            f"not installed: {', '.join(missing)}; pip install 'sparkiot[spark]' brings Spark and a Java runtime",
            style="yellow",
            markup=False,
            soft_wrap=True,
        )
        return None
    return QUICK if quick else FULL


def _measure(folder: Path, *, stores: "Sequence[Measured]", plan: "Plan | None") -> "Measurements":
    """Measure the tiers, then Spark: a tier that does not answer is found in a second."""
    from sparkiot_operator.calibration.tiers import REPEATS, measure
    from sparkiot_policies.allocation import TIERS
    from sparkiot_sim.calibrate.records import Measurements

    load = [_load()]
    measured = {measured.store.tier for measured in stores}
    skipped = [f"tier {tier}: no server was named" for tier in TIERS if tier not in measured]
    if plan is None:
        skipped.append("Spark: left out")
    with _progress((plan.steps if plan else 0) + len(stores) * (REPEATS + 1)) as step:
        tiers = tuple(measure(store, step=step) for store in stores)
        spark = _measure_spark(folder, plan, step) if plan else None
    return Measurements(
        date=datetime.now(UTC).date(),
        cores=os.cpu_count() or 1,
        load=tuple(value for value in (*load, _load()) if value is not None),
        spark=spark,
        tiers=tiers,
        skipped=tuple(skipped),
    )


def _measure_spark(path: Path, plan: "Plan", step: Step) -> "SparkRecord":
    from sparkiot_operator.calibration.program import Program
    from sparkiot_operator.driver_client import DriverClient, open_driver_http
    from sparkiot_operator.embedded import Folder, embedded_operator
    from sparkiot_operator.kube import KubeApi
    from sparkiot_operator.processes import ended_by_sigterm

    folder = Folder(path)
    folder.prepare()

    async def use(api: KubeApi) -> "SparkRecord":
        async with open_driver_http(CALL_TIMEOUT_S) as http:
            program = Program(api, DriverClient(http), children, folder=folder, plan=plan, step=step)
            return await program.run()

    with ended_by_sigterm(), embedded_operator(folder, say=lambda _: None) as children:
        return with_api(folder.kubeconfig, use)


def _load() -> float | None:
    """Processes that want a core, for each core, over the last minute; None where the system does not tell."""
    return os.getloadavg()[0] / (os.cpu_count() or 1) if hasattr(os, "getloadavg") else None


@contextmanager
def _progress(steps: int) -> Iterator[Step]:
    """A bar that each call moves on by one step, under the name of what was done."""
    columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task("starting", total=steps)
        yield lambda what: bar.update(task, advance=1, description=what)
