"""The ``sparkiot`` command. Each subcommand is a module; this one only puts them together.

Exit codes: 0 done, 1 it did not work (the message says why), 2 wrong usage.
"""

from importlib.metadata import version
from typing import Annotated

import typer

from . import bench, policy
from .calibrate import calibrate
from .check import check
from .dashboard import dashboard
from .demo import demo
from .demo_live import demo_live
from .demo_pipeline import demo_pipeline
from .dev import dev
from .devices import devices
from .edge_evaluate import edge_evaluate
from .edge_gateway import edge_gateway
from .evaluate_cluster import evaluate_cluster
from .explain import explain
from .operator import operator
from .replay import replay
from .simulate import simulate
from .top import top
from .tournament import tournament

app = typer.Typer(
    name="sparkiot",
    help="Runs Spark Structured Streaming for IoT on Kubernetes, scaled by a reinforcement-learned policy.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _show_version(requested: bool) -> None:
    if requested:
        typer.echo(version("sparkiot"))
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Only the options that come before every subcommand."""


for command in (
    demo,
    demo_live,
    demo_pipeline,
    dev,
    operator,
    simulate,
    tournament,
    evaluate_cluster,
    calibrate,
    edge_gateway,
    edge_evaluate,
    devices,
    replay,
    explain,
    top,
    check,
    dashboard,
):
    app.command()(command)
app.add_typer(policy.app, name="policy")
app.add_typer(bench.app, name="bench")


def main() -> None:
    """Entry point of the console script."""
    app()
