"""Pages as their readers see them: code blocks with the mark above them, links, and the anchors of headings."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[1]
SHELLS = frozenset({"sh", "bash", "shell", "console"})
MARK = re.compile(r"<!-- (run by|not run:) (.+?) -->\s*$", re.S)


def pages() -> list[Path]:
    """Every page of the documentation, and those at the root of the repository."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


@dataclass(frozen=True, slots=True)
class Block:
    """A code block. line: of its fence, from 1. mark: ("run by", test) or ("not run:", reason); None without one."""

    page: str
    line: int
    language: str
    text: str
    mark: tuple[str, str] | None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """The code blocks of a page, in order. A mark is an HTML comment right above its block."""
    found = []
    before: Token | None = None
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type == "fence" and token.map:
            said = MARK.search(before.content) if before is not None and before.type == "html_block" else None
            mark = (said[1], " ".join(said[2].split())) if said else None
            name = page.relative_to(ROOT).as_posix() if page.is_relative_to(ROOT) else page.name
            found.append(Block(name, token.map[0] + 1, token.info.strip(), token.content, mark))
        before = token
    return found


def all_blocks() -> list[Block]:
    return [block for page in pages() for block in blocks(page)]


def commands(block: Block) -> Iterator[str]:
    """The commands of a shell block, one a line: continued lines joined, comments and here-documents left out."""
    text = re.sub(r"<<'?(\w+)'?.*?\n.*?^\1$", "", block.text, flags=re.S | re.M)
    for line in text.replace("\\\n", " ").splitlines():
        command = re.sub(r"(^|\s)#.*", "", line).strip()
        if command:
            yield command


def links(page: Path) -> Iterator[str]:
    """Where the links and pictures of a page lead, as they are written."""
    for token in MarkdownIt("commonmark", {"html": True}).enable("table").parse(page.read_text(encoding="utf-8")):
        for child in token.children or ():
            if target := child.attrGet("href") or child.attrGet("src"):
                yield str(target)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    found: dict[str, int] = {}
    names = set()
    for heading, inline in itertools.pairwise(tokens):
        if heading.type == "heading_open":
            shown = "".join(child.content for child in inline.children or ())
            slug = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
            names.add(f"{slug}-{found[slug]}" if slug in found else slug)
            found[slug] = found.get(slug, 0) + 1
    return names
