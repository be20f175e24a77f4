"""What every subcommand shares: one console, one way to fail, one way to print for people or for machines."""

import enum
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NoReturn

import orjson
import typer
from rich.console import Console
from rich.table import Table

console = Console(highlight=False)
if not console.is_terminal:
    console = Console(highlight=False, width=140)  # a pipe or a file has no width to fit into
errors = Console(stderr=True, highlight=False)


class Output(enum.StrEnum):
    TABLE = "table"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="table for people, json for machines.")]


def fail(message: str, *, code: int = 1) -> NoReturn:
    """Print what is wrong on standard error and end with an exit code."""
    errors.print(f"error: {message}", style="red", markup=False, soft_wrap=True)
    raise typer.Exit(code)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY).decode())


def print_rows(rows: Sequence[Mapping[str, Any]], *, title: str, headings: Mapping[str, str], output: Output) -> None:
    """Rows as a table with ``headings`` (key to heading), or whole as JSON."""
    if output is Output.JSON:
        print_json(rows)
        return
    table = Table(title=title, title_justify="left")
    for key, heading in headings.items():
        numeric = any(isinstance(row.get(key), int | float) for row in rows)
        table.add_column(heading, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*("–" if row.get(key) is None else str(row[key]) for key in headings))
    console.print(table)
