"""What the pages say must work: commands exist and are run or say why not, manifests are valid, links lead on."""

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from pydantic import ValidationError
from support_docs import ROOT, SHELLS, Block, all_blocks, anchors, blocks, commands, links, pages

from sparkiot_operator.cli import app
from sparkiot_operator.resource.spec import SparkIoTJobSpec

FOLDERS = ("operator/", "charts/", "crds/", "docs/", "tests/", "policies/", "sim/")
SHELL = [block for block in all_blocks() if block.language in SHELLS]


def of_language(*languages: str) -> list[Block]:
    return [block for block in all_blocks() if block.language in languages]


def fault(block: Block) -> str | None:
    """What is wrong with the mark of a shell block; None when it says truly where it is run, or why it is not."""
    if block.mark is None:
        return (
            "say in a comment above it which test runs it (<!-- run by tests/… -->) or why none (<!-- not run: … -->)"
        )
    kind, said = block.mark
    if kind == "not run:":
        gone = [path for path in re.findall(r"tests/[\w./]+\w", said) if not (ROOT / path).exists()]
        return f"there is no {gone[0]}" if gone else None
    test = ROOT / said
    if not (said.startswith("tests/") and test.is_file()):
        return f"{said} is no test"
    source = test.read_text(encoding="utf-8")
    page = Path(block.page)
    if page.name in source or f'"{page.stem}"' in source:
        return None
    absent = [command for command in commands(block) if command not in source]
    return f"{said} neither reads the page nor holds {absent[0]!r}" if absent else None


def test_every_command_is_run_by_a_test_or_says_why_not() -> None:
    assert not [f"{block}: {problem}" for block in SHELL if (problem := fault(block))]


@pytest.mark.parametrize(
    ("mark", "problem"),
    [
        ("", "say in a comment"),
        ("<!-- not run: needs Docker -->\n", None),
        (
            "<!-- not run: needs Docker; tests/unit/test_gone.py does the rest -->\n",
            "there is no tests/unit/test_gone.py",
        ),
        ("<!-- run by tests/unit/test_docs.py -->\n", None),
        ("<!-- run by tests/unit/test_gone.py -->\n", "is no test"),
        ("<!-- run by tests/unit/test_clock.py -->\n", "neither reads the page nor holds 'echo told elsewhere'"),
        ("<!-- not run: needs Docker -->\n\ntext between\n\n", "say in a comment"),
    ],
)
def test_a_mark_is_believed_only_when_it_is_true(tmp_path: Path, mark: str, problem: str | None) -> None:
    page = tmp_path / "some-page.md"
    page.write_text(f"# Page\n\n{mark}```sh\necho told \\\n  elsewhere   # a remark\n```\n".replace("\\\n  ", ""))
    found = fault(blocks(page)[0])
    assert (found is None) if problem is None else (found is not None and problem in found)


# The fourth case above is true because this file holds the command: echo told elsewhere


@cache
def cli() -> Any:
    return typer.main.get_command(app)


def usage_error(command: str) -> str | None:
    """Why `sparkiot` would refuse a command line before it does anything; None when it would not."""
    words = shlex.split(re.split(r"\s(?:[|&>]|[12]>)", command)[0])
    at = next(n for n, word in enumerate(words) if word.rpartition("/")[2] == "sparkiot")
    group, rest = cli(), words[at + 1 :]
    while rest and not rest[0].startswith("-"):
        name, *rest = rest
        if name not in group.commands:
            return f"there is no command {name!r}"
        group = group.commands[name]
        if not hasattr(group, "commands"):
            try:
                group.make_context(name, rest)
            except Exception as error:
                if not hasattr(error, "format_message"):  # typer brings the class of its usage errors itself
                    raise
                return str(error.format_message())
            return None
    return None


def sparkiot_commands() -> list[tuple[Block, str]]:
    return [
        (block, command)
        for block in SHELL
        for command in commands(block)
        if re.match(r"(\w+=\S+ )*(\S*/)?sparkiot\s", command)
    ]


def test_commands_of_ours_have_the_options_that_pages_give_them() -> None:
    found = sparkiot_commands()
    assert len(found) > 20
    assert not [f"{block}: {command}: {problem}" for block, command in found if (problem := usage_error(command))]


def test_a_command_that_would_be_refused_is_noticed() -> None:
    assert usage_error("sparkiot top --once") is None
    assert usage_error("sparkiot tops") == "there is no command 'tops'"
    assert "--often" in (usage_error("sparkiot top --often") or "")
    assert usage_error("sparkiot policy list | head") is None


def test_make_targets_and_files_that_commands_name_exist() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.M))
    wrong = []
    for block in SHELL:
        for command in commands(block):
            if command.startswith("make "):
                named = [word for word in shlex.split(command)[1:] if "=" not in word and not word.startswith(".")]
                wrong += [f"{block}: no target {name}" for name in named if name not in targets]
            paths = [word for word in re.split(r"[\s'\"]+", command) if word.startswith(FOLDERS)]
            wrong += [f"{block}: no {path}" for path in paths if not list(ROOT.glob(path.rstrip("/")))]
    assert not wrong


def manifest_faults(block: Block) -> list[str]:
    """What is wrong with the jobs in a YAML block. A fragment, which has no kind, may leave out what is required."""
    wrong = []
    for document in yaml.safe_load_all(block.text):
        whole = isinstance(document, dict) and document.get("kind") == "SparkIoTJob"
        if not whole and not (isinstance(document, dict) and set(document) == {"spec"}):
            continue
        try:
            SparkIoTJobSpec.model_validate(document["spec"])
        except ValidationError as error:
            wrong += [f"{block}: {e['loc']}: {e['msg']}" for e in error.errors() if whole or e["type"] != "missing"]
    return wrong


def test_jobs_on_pages_are_valid() -> None:
    found = of_language("yaml")
    assert sum("SparkIoTJob" in block.text for block in found) >= 3
    assert not [problem for block in found for problem in manifest_faults(block)]


def test_a_job_with_a_misspelt_field_is_noticed() -> None:
    def job(text: str) -> Block:
        return Block("page.md", 1, "yaml", text, None)

    assert manifest_faults(job("spec: {scaling: {executors: {min: 1}}}")) == []
    assert "scalling" in manifest_faults(job("spec: {scalling: {}}"))[0]


def test_python_on_pages_compiles() -> None:
    for block in of_language("python", "py"):
        compile(block.text, str(block), "exec")


def test_links_lead_to_files_and_headings_that_exist() -> None:
    wrong = [f"{page.relative_to(ROOT)}: {link}" for page in pages() for link in links(page) if not leads(page, link)]
    assert not wrong


def leads(page: Path, link: str) -> bool:
    """Whether a link's file and heading are there; addresses elsewhere are believed."""
    if re.match(r"[a-z]+:", link):
        return True
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not anchor or anchor in headings(target)


@cache
def headings(page: Path) -> set[str]:
    return anchors(page)


def test_a_link_that_leads_nowhere_is_noticed() -> None:
    page: Any = ROOT / "README.md"
    assert leads(page, "docs/README.md")
    assert leads(page, "CONTRIBUTING.md#live-tests")
    assert not leads(page, "CONTRIBUTING.md#dead-tests")
    assert not leads(page, "docs/nowhere.md")
