"""Sphinx settings of the documentation site, which scripts/docs builds.

The pages are plain Markdown that also reads well on the forge, so they link to each other, and to
files outside this directory, by path. ``SHOWN`` says which page shows such a file on the site.
"""

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

import django
from django.conf import settings
from pygments.lexers.templates import HtmlDjangoLexer

from wsrequest import __version__

ROOT = Path(__file__).resolve().parent.parent

if not settings.configured:  # the API page imports modules that need an installed app
    settings.configure(INSTALLED_APPS=["wsrequest"])
    django.setup()

project = "wsrequest"
author = "The wsrequest authors"
copyright = author
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "index"
highlight_language = "none"  # a block without a language is a log, a frame or a diagram
myst_heading_anchors = 6  # the anchors that the forge gives
myst_enable_extensions = ["attrs_inline"]
suppress_warnings = ["misc.highlighting_failure"]  # "…" is no JSON, and is meant for readers

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "groupwise"
python_use_unqualified_type_names = True
napoleon_custom_sections = [("Source", "params_style")]

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = f"wsrequest {release}"
html_show_sphinx = False
html_copy_source = False

# Files outside docs/, and the page that shows each.
SHOWN = {
    "README.md": "index",
    "PROTOCOL.md": "protocol",
    "CHANGELOG.md": "changelog",
    "CONTRIBUTING.md": "contributing",
    "SECURITY.md": "security-policy",
    "benchmarks/README.md": "benchmarks/index",
    "benchmarks/results/latest.md": "benchmarks/requests",
    "benchmarks/results/live.md": "benchmarks/live",
    "benchmarks/results/browser.md": "benchmarks/browser",
    "benchmarks/results/processes.md": "benchmarks/processes",
    "benchmarks/results/scale.md": "benchmarks/scale",
    "benchmarks/results/http.md": "benchmarks/http",
}
PLACES = {page: path for path, page in SHOWN.items()}

# What the sidebar shows under each caption, and pages whose folder's other pages stand below them.
NAVIGATION = {
    "Tutorial": ["A live list in ten minutes <tutorial>"],
    "How to": [
        "Live pages <live-pages>",
        "Send events <push>",
        "Use it with … <howto/README>",
        "Test <testing>",
        "Deploy <deployment>",
        "Plain HTTP <http>",
        "Several processes <processes>",
        "Operate <operations>",
        "Metrics <metrics>",
        "Scale <scaling>",
        "Move from Channels <migrating/channels>",
        "Move from DCRF <migrating/dcrf>",
        "Move from django-eventstream <migrating/eventstream>",
    ],
    "Topics": [
        "architecture",
        "How live GET works <live>",
        "security",
        "parity",
        "Where it fails <failures>",
        "bad-input",
        "live-corpus",
        "decisions/README",
        "glossary",
    ],
    "Reference": [
        "settings",
        "checks",
        "Browser client <client>",
        "client-types",
        "python-api",
        "Protocol <protocol>",
        "errors",
        "WebSocketRequest of 2014 <classic>",
        "Versions and support <versions>",
    ],
    "Project": [
        "changelog",
        "benchmarks/index",
        "contributing",
        "The client's source <client-source>",
        "security-policy",
    ],
}
PARENTS = {"howto/README", "decisions/README", "benchmarks/index"}

FENCE = re.compile(r"(^ {0,3}```.*?^ {0,3}```[^\n]*$)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\((?!\w+:)([^)\s#]+)(#[^)\s]*)?\)")


def site_links(text: str, path: str, page: str) -> str:
    """Return ``text`` with links that work on the site.

    A link to a file that no page shows becomes plain text, since the site does not have the file.

    Args:
        text: Markdown.
        path: of its file, from the root of the repository.
        page: the page that shows it, from docs/ and without its ending.
    """

    def rewritten(link: re.Match[str]) -> str:
        bang, label, target, anchor = link.groups(default="")
        wanted = os.path.normpath(PurePosixPath(path).parent / target)
        if wanted in SHOWN:
            wanted = f"docs/{SHOWN[wanted]}.md"
        elif not wanted.startswith("docs/"):
            return label
        here = PurePosixPath("docs", page).parent
        return f"{bang}[{label}]({os.path.relpath(wanted, here)}{anchor})"

    parts = FENCE.split(text)
    parts[::2] = [LINK.sub(rewritten, part) for part in parts[::2]]
    return "".join(parts)


def toctree(pages: list[str], *options: str) -> str:
    """Return the directive that puts ``pages`` into the sidebar."""
    return "\n".join(["", "```{toctree}", ":hidden:", *options, "", *pages, "```", ""])


def read_page(app: Any, page: str, source: list[str]) -> None:
    """Put the text that the site shows in the place of what Sphinx has read."""
    path = PLACES.get(page)
    if path is None:
        path, text = f"docs/{page}.md", source[0]
    else:
        app.env.note_dependency(str(ROOT / path))
        text = (ROOT / path).read_text(encoding="utf-8")
    source[0] = site_links(text, path, page)
    if page == root_doc:
        for caption, pages in NAVIGATION.items():
            source[0] += toctree(pages, f":caption: {caption}")
    elif page in PARENTS:
        source[0] += toctree(["*"], ":glob:")


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", read_page)
    app.add_lexer("html", HtmlDjangoLexer)  # our HTML is templates
