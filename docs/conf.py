"""The documentation as a website: `make docs`. Navigation follows the folders, so that a new page needs no entry.

Sphinx because it checks what it builds: a link to a page or a heading that is not there is an error.
"""

import os
from pathlib import Path
from typing import Any

from docutils import nodes
from pygments.lexers.special import TextLexer
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

project = "sparkiot"
root_doc = "index"
exclude_patterns = ["README.md"]  # index.md includes it
extensions = ["myst_parser"]
myst_heading_anchors = 4  # as GitHub makes them
html_theme = "furo"
html_title = project
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False


class FilesOfTheRepository(SphinxTransform):
    """Links that leave docs/: a file travels with the site as a download, of a folder only the text stays.

    One that leads nowhere is left alone, and Sphinx refuses it.
    """

    default_priority = 5

    def apply(self, **_: Any) -> None:
        source = Path(self.app.srcdir)
        for node in list(self.document.findall(addnodes.pending_xref)):
            if node.get("reftype") != "myst":
                continue
            target = self._file(node, source)
            if target.is_relative_to(source):
                continue
            if target.is_dir():
                node.replace_self(node.children)
            elif target.is_file():
                self._offer(node, f"/{os.path.relpath(target, source)}")

    def _file(self, node: nodes.Element, source: Path) -> Path:
        """What a link means. Of a Markdown file, MyST keeps its absolute path without the suffix."""
        if node.get("refdomain") == "doc":
            return source / f"{node['reftarget']}.md"
        return (source / self.env.docname).parent.joinpath(node["reftarget"]).resolve()

    def _offer(self, node: nodes.Element, path: str) -> None:
        link = addnodes.download_reference(refdomain=None, reftarget=path, refdoc=self.env.docname, reftype="myst")
        link.extend(node.children)
        node.replace_self(link)


def setup(app: Sphinx) -> None:
    app.add_transform(FilesOfTheRepository)
    app.add_lexer("mermaid", TextLexer)  # a diagram's text, as its pictures need a script from elsewhere
