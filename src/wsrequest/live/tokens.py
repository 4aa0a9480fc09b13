"""SQL text as tokens.

Owns what is a name, a bare word, a literal, a placeholder or a comment in the dialects of Django's
backends; what the tokens mean stands in live.relations. Where dialects disagree, the reading is
taken that hides no name of a table. Pure.
"""

import re
from typing import NamedTuple

__all__ = ["NAME", "NUMBER", "PARAM", "SIGN", "TEXT", "WORD", "Token", "Unparsable", "tokenize"]

WORD, NAME, TEXT, NUMBER, PARAM, SIGN = "word", "name", "text", "number", "param", "sign"


class Unparsable(Exception):
    """The text cannot be told apart into tokens. Never leaves live: it means "anything"."""


class Token(NamedTuple):
    """One token.

    Attributes:
        kind: one of the constants of this module; ``WORD`` is bare, ``NAME`` was quoted.
        text: folded, without its quotes; "" for a literal.
        number: of a placeholder, how many came before it; -1 for one with a name.
    """

    kind: str
    text: str
    number: int = -1


_LINE = r"--[^\n]*"
_TEXT = r"'(?:[^']|'')*'"
_ESCAPED_TEXT = r"'(?:[^'\\]|\\.|'')*'"
_DOUBLE = r'"(?:[^"]|"")*"'
_BACKTICK = r"`(?:[^`]|``)*`"
_BRACKET = r"\[[^\]]*\]"
_DOLLAR = r"\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$"


def _pattern(comment: str, texts: str, names: str) -> re.Pattern[str]:
    return re.compile(
        rf"(?P<skip>\s+|{comment})|(?P<open>/\*)|(?P<text>{texts})|(?P<name>{names})"
        r"|(?P<param>%s)|(?P<named>%\(\w+\)s)|(?P<sign>%%)"
        r"|(?P<number>\d\w*(?:\.\d+)?)|(?P<word>[^\W\d][\w$]*)|(?P<other>.)",
        re.DOTALL,
    )


_PATTERNS = {
    "postgresql": _pattern(_LINE, rf"[eE]{_ESCAPED_TEXT}|{_TEXT}|{_DOLLAR}", _DOUBLE),
    "sqlite": _pattern(_LINE, _TEXT, f"{_DOUBLE}|{_BACKTICK}|{_BRACKET}"),
    "mysql": _pattern(
        r"--(?=\s|$)[^\n]*|\#[^\n]*|/\*!\d*|\*/",
        _ESCAPED_TEXT,
        rf'"(?:[^"\\]|\\.|"")*"|{_BACKTICK}',
    ),
    "oracle": _pattern(_LINE, _TEXT, _DOUBLE),
}
_SURE_OF_TEXT = frozenset({"mysql", "sqlite", "oracle"})
_OTHER = _pattern(_LINE, _TEXT, f"{_DOUBLE}|{_BACKTICK}|{_BRACKET}")


def tokenize(sql: str, vendor: str) -> list[Token]:
    """Return the tokens of ``sql``, without its comments.

    Args:
        vendor: as Django calls it; the quotes and comments of one that is not known are those of
            the standard, and backticks and brackets.

    Raises:
        Unparsable: a quote or a comment is not closed, or the dialect allows two readings.
    """
    pattern = _PATTERNS.get(vendor, _OTHER)
    tokens: list[Token] = []
    count = position = 0
    while (match := pattern.match(sql, position)) is not None:
        kind, text, position = match.lastgroup, match[0], match.end()
        if kind == "open":
            position = _end_of_comment(sql, position, nests=vendor == "postgresql")
        elif kind == "param":
            tokens.append(Token(PARAM, "", count))
            count += 1
        elif kind == "named":
            tokens.append(Token(PARAM, ""))
        elif kind == "word":
            tokens.append(Token(WORD, text.casefold()))
        elif kind == "name":
            tokens.append(Token(NAME, _unquoted(text).casefold()))
        elif kind == "number":
            tokens.append(Token(NUMBER, text))
        elif kind in ("text", "tag"):
            _check_text(text, tokens, vendor)
            tokens.append(Token(TEXT, ""))
        elif kind != "skip":
            if text in "'\"`":
                raise Unparsable("a quote is not closed")
            tokens.append(Token(SIGN, text))
    if vendor == "postgresql" and _has_unicode_name(tokens):
        raise Unparsable("a name is written with escapes")
    return tokens


def _end_of_comment(sql: str, position: int, nests: bool) -> int:
    depth = 1
    while depth:
        end = sql.find("*/", position)
        if end < 0:
            raise Unparsable("a comment is not closed")
        inner = sql.find("/*", position, end) if nests else -1
        position, depth = (inner + 2, depth + 1) if inner >= 0 else (end + 2, depth - 1)
    return position


def _unquoted(text: str) -> str:
    mark = text[-1]
    return text[1:-1] if mark == "]" else text[1:-1].replace(mark * 2, mark)


def _check_text(text: str, tokens: list[Token], vendor: str) -> None:
    """Refuse a literal whose end depends on a setting of the server or on a prefix."""
    if vendor == "oracle" and tokens and tokens[-1].text in ("q", "nq"):
        raise Unparsable("a literal has quotes of its own")
    # PostgreSQL takes \' for a quote where standard_conforming_strings is off; SQLite and Oracle
    # never do, and Django writes ESCAPE '\' for them.
    if vendor not in _SURE_OF_TEXT and text.startswith("'") and "\\'" in text:
        raise Unparsable("a backslash stands before a quote")


def _has_unicode_name(tokens: list[Token]) -> bool:
    return any(
        first.text == "u" and second.text == "&" and third.kind == NAME
        for first, second, third in zip(tokens, tokens[1:], tokens[2:], strict=False)
    )
