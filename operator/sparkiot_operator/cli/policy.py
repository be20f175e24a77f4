"""``sparkiot policy``: import, show, verify and list policy artifacts."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import Output, OutputOption, console, fail, print_json, print_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import JsonValue

    from sparkiot_policies.manifest import Manifest

app = typer.Typer(
    name="policy",
    help="Import, show and verify policy artifacts.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

ReferenceArgument = Annotated[
    str, typer.Argument(metavar="NAME|ARTIFACT", help="Name of a shipped policy, or path of a folder or archive.")
]

LIST_HEADINGS = {"name": "name", "kind": "kind", "input": "input", "digest": "digest"}


def _checked_digest(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"sha256:[0-9a-f]{64}", value):
        raise typer.BadParameter("a digest is sha256: and 64 hexadecimal digits")
    return value


@app.command("import")
def import_(
    model: Annotated[Path, typer.Argument(metavar="MODEL.zip", help="Archive of Stable-Baselines3 PPO or TD3.")],
    name: Annotated[str, typer.Option(help="Name of the policy: lower-case letters, digits and dashes.")],
    to: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder to write the artifact into.")],
    observation_schema: Annotated[
        int, typer.Option(min=1, max=2, help="Observation schema that a PPO policy was trained on.")
    ] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the proof's random observations.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace an artifact that is there already.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Convert an archive (weights only, nothing is unpickled) and prove that it decides the same."""
    from sparkiot_policies.errors import PolicyError
    from sparkiot_policies.manifest import MANIFEST_FILE, NAME_PATTERN
    from sparkiot_policies.sb3 import import_sb3

    if not re.fullmatch(NAME_PATTERN, name):
        raise typer.BadParameter(f"{name!r}: lower-case letters, digits and dashes, at most 63", param_hint="--name")
    if (to / MANIFEST_FILE).exists() and not force:
        fail(f"{to} holds an artifact already; --force replaces it")
    try:
        imported = import_sb3(model, to, name=name, observation_schema=observation_schema, seed=seed)
    except (PolicyError, OSError) as error:
        fail(str(error))
    proof = imported.proof
    if output is Output.JSON:
        print_json({**_described(imported.manifest), "path": str(to), "proof": imported.manifest.training["proof"]})
        return
    _print_manifest(imported.manifest, title=f"imported into {to}")
    ties = f", {proof.ties} of them ties within single precision" if proof.ties else ""
    console.print(
        f"equal actions on {proof.samples} observations{ties} (seed {proof.seed}); "
        f"largest difference of an output {proof.difference:.2g}"
    )


@app.command()
def show(policy: ReferenceArgument, output: OutputOption = Output.TABLE) -> None:
    """Show what an artifact is, how it was trained and what it reached."""
    manifest = _load(policy, None)
    if output is Output.JSON:
        print_json(manifest.model_dump(mode="json"))
        return
    _print_manifest(manifest, title=policy)
    if manifest.ranges:
        rows = [{"element": e, "low": r.low, "high": r.high} for e, r in manifest.ranges.items()]
        headings = {"element": "element", "low": "low", "high": "high"}
        print_rows(rows, title="seen in training", headings=headings, output=output)


@app.command()
def verify(
    policy: ReferenceArgument,
    digest: Annotated[
        str | None, typer.Option(metavar="sha256:…", callback=_checked_digest, help="The digest that it must have.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Check an artifact's files, digests and graph; exit code 1 when any is wrong."""
    manifest = _load(policy, digest)
    if output is Output.JSON:
        print_json({"valid": True, "name": manifest.name, "digest": manifest.digest})
        return
    console.print(f"{policy}: valid, {manifest.digest}", soft_wrap=True)


@app.command("list")
def list_(output: OutputOption = Output.TABLE) -> None:
    """List the artifacts that ship with sparkiot."""
    from sparkiot_policies.library import shipped

    rows = [_described(_load(name, None)) for name in shipped()]
    print_rows(rows, title="shipped policies", headings=LIST_HEADINGS, output=output)


def _load(reference: str, digest: str | None) -> "Manifest":
    from sparkiot_policies import library
    from sparkiot_policies.errors import PolicyError

    try:
        return library.load(reference, digest).manifest
    except PolicyError as error:
        fail(str(error))


def _described(manifest: "Manifest") -> dict[str, Any]:
    return {
        "name": manifest.name,
        "kind": manifest.kind,
        "input": manifest.schema_name,
        "network": "-".join(map(str, (manifest.network.inputs, *manifest.network.hidden, manifest.network.outputs))),
        "activation": manifest.network.activation.value,
        "digest": manifest.digest,
    }


def _print_manifest(manifest: "Manifest", *, title: str) -> None:
    facts = _described(manifest)
    if manifest.features:
        facts["features"] = ", ".join(f.element for f in manifest.features)
    for group, values in (("training", manifest.training), ("scores", manifest.scores)):
        facts |= {f"{group}: {key}": value for key, value in _flat(values)}
    rows = [{"key": key, "value": str(value)} for key, value in facts.items()]
    print_rows(rows, title=title, headings={"key": "", "value": ""}, output=Output.TABLE)


def _flat(values: "Mapping[str, JsonValue]", prefix: str = "") -> "Iterator[tuple[str, JsonValue]]":
    """Nested values under dotted keys; absent ones left out."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        elif value is not None:
            yield f"{prefix}{key}", value
