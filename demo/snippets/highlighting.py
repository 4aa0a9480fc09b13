"""Pygments, as the rest of the app sees it.

Owns languages, styles, highlighted HTML and its stylesheets. Knows no model and no request.
"""

from django.core.exceptions import ValidationError
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_all_lexers, get_lexer_by_name
from pygments.styles import get_all_styles
from pygments.util import ClassNotFound

# What the page's menu puts on top.
POPULAR = [
    "python", "javascript", "typescript", "html", "css", "bash", "sql", "json", "yaml", "rust",
    "go", "java", "c", "cpp", "csharp", "ruby", "php", "kotlin", "swift", "text",
]  # fmt: skip


def all_languages() -> list[dict[str, str]]:
    """Return every language as ``{"name", "label"}``, sorted by label."""
    lexers = [(label, aliases[0]) for label, aliases, *_ in get_all_lexers() if aliases]
    found = [{"name": name, "label": label} for label, name in lexers]
    return sorted(found, key=lambda language: language["label"].lower())


def all_styles() -> list[str]:
    """Return the names of the colour schemes, sorted."""
    return sorted(get_all_styles())


def validate_language(name: str) -> None:
    """Raise ValidationError when Pygments has no lexer of this name."""
    try:
        get_lexer_by_name(name)
    except ClassNotFound:
        raise ValidationError(f"Pygments knows no language “{name}”.") from None


def validate_style(name: str) -> None:
    """Raise ValidationError when Pygments has no style of this name."""
    if name not in get_all_styles():
        raise ValidationError(f"Pygments knows no style “{name}”.")


def highlight_code(code: str, language: str, *, linenos: bool = False) -> str:
    """Return ``code`` as HTML, escaped, in one ``<div class="highlight">``.

    Its colours are classes, for ``stylesheet``. Blank lines at both ends stay, so that line numbers
    are those of the source.

    Raises:
        ClassNotFound: no such language; ``validate_language`` says so before.
    """
    lexer = get_lexer_by_name(language, stripnl=False)
    return highlight(code, lexer, HtmlFormatter(linenos="inline" if linenos else False))


def highlight_page(code: str, language: str, style: str, *, linenos: bool = False) -> str:
    """Return ``code`` as a whole page of HTML, in the colours of one style.

    Raises:
        ClassNotFound: no such language or style.
    """
    formatter = HtmlFormatter(
        full=True, noclasses=True, style=style, linenos="inline" if linenos else False
    )
    return highlight(code, get_lexer_by_name(language), formatter)


def stylesheet(style: str) -> str:
    """Return the CSS of one style, for what ``highlight_code`` returns.

    Raises:
        ClassNotFound: no such style.
    """
    return HtmlFormatter(style=style).get_style_defs(".highlight")
