"""
What Sphinx makes of these pages: HTML to read, and the manual page pop3svc(8).
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

from pop3svc import __version__

project = "pop3svc"
# Neither a year nor a name that somebody would have to keep true.
copyright = "its contributors"
release = version = __version__
exclude_patterns = ["_build"]
# What says nothing of its language has none: the list of limits is not Python.
highlight_language = "none"
html_theme = "alabaster"
html_theme_options = {
    "description": "A POP3 service on Twisted",
    "page_width": "68rem",
    "sidebar_width": "16rem",
    "show_powered_by": False,
    # The rest of the theme's colours pass; this grey is too light to read.
    "gray_2": "#eeeeee",
}
html_copy_source = False
html_static_path = ["_static"]
man_pages = [("manual", "pop3svc", "serve maildrops over POP3", "", 8)]

_PAGE = re.compile(r"(?:docs/)?(?P<page>[a-z0-9-]+)\.rst(?P<place>#.*)?")
_log = logging.getLogger(__name__)


def linkPages(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """
    A link to C{limits.rst} works where the sources are read, on a forge or in an
    editor; here it becomes a link to the page that is made of it, under its title. The
    manual page has no other pages: there the title stays.
    """
    for link in list(doctree.findall(nodes.reference)):
        found = _PAGE.fullmatch(link.get("refuri", ""))
        if found is None:
            continue
        if found["page"] not in app.env.found_docs:
            _log.warning("there is no page %s", link["refuri"], location=link)
            continue
        if link.astext() in (found["page"] + ".rst", link["refuri"]):
            link.children = [nodes.Text(app.env.titles[found["page"]].astext())]
        if app.builder.format == "man":
            link.replace_self(nodes.emphasis("", link.astext()))
            continue
        page = app.builder.get_relative_uri(docname, found["page"])
        link["refuri"] = page + (found["place"] or "")


def setup(app: Sphinx) -> dict[str, Any]:
    """@see: Sphinx's own documents"""
    app.connect("doctree-resolved", linkPages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
