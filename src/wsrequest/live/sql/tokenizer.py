"""Splits SQL text into tokens.

It recognizes names, bare words, literals, placeholders and comments in the dialects of Django's
backends. Their meaning is found by ``tables`` and ``analyzer``. Where dialects disagree, it chooses
the reading that hides no name of a table. The work for one text is bounded: a long list of
placeholders becomes one token, and a text with too many characters or tokens is refused. Pure.
"""

import re
from collections.abc import Sequence
from string import ascii_uppercase
from typing import NamedTuple

__all__ = [
    "COMMA",
    "DOT",
    "LIST",
    "MAX_CHARACTERS",
    "MAX_TOKENS",
    "NAME",
    "NUMBER",
    "OPEN",
    "PARAM",
    "SEMICOLON",
    "SIGN",
    "TEXT",
    "WORD",
    "Token",
    "Unparsable",
    "statements_of",
    "tokenize",
]

WORD, NAME, TEXT, NUMBER, PARAM, SIGN = "word", "name", "text", "number", "param", "sign"
LIST = "list"

# Enough for a list of 50,000 placeholders. Longer texts are rare, and cost their sender more.
MAX_CHARACTERS = 2**18
# Enough for bulk_update of 400 rows, which takes about 10 ms, once.
MAX_TOKENS = 5000
_MAX_DEPTH = 1000  # of comments in comments


class Unparsable(Exception):
    """The text cannot be split into tokens. Callers take it to mean "anything"."""


class Token(NamedTuple):
    """One token.

    Attributes:
        kind: one of the constants of this module. ``WORD`` is bare, ``NAME`` was quoted, and
            ``LIST`` is a long list of placeholders, or of rows of them in parentheses.
        text: folded, without its quotes. "" for a literal that is not a number.
        number: for a placeholder, how many came before it. -1 for a named one.
        stands_for: how many placeholders it replaces.
        exact: the name as the database compares it, if that is not ``text``.
    """

    kind: str
    text: str
    number: int = -1
    stands_for: int = 0
    exact: str = ""

    @property
    def name(self) -> str:
        """The name as the database compares it."""
        return self.exact or self.text


COMMA, DOT, OPEN, SEMICOLON = (Token(SIGN, text) for text in ",.(;")

# A plus after a quantifier forbids backtracking, so that no text takes long.
_LINE = r"--[^\n]*+"
_TEXT = r"'[^']*+(?:''[^']*+)*+'"
_ESCAPED_TEXT = r"'[^'\\]*+(?:(?:\\.|'')[^'\\]*+)*+'"
_DOUBLE = r'"[^"]*+(?:""[^"]*+)*+"'
_BACKTICK = r"`[^`]*+(?:``[^`]*+)*+`"
_BRACKET = r"\[[^\]]*+\]"
_DOLLAR = r"\$(?P<tag>(?:[A-Za-z_\u0080-\U0010ffff][\w\u0080-\U0010ffff]*)?)\$.*?\$(?P=tag)\$"
# Every character beyond ASCII is part of a name, including marks and spaces.
_NAME = r"[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_$\u0080-\U0010ffff]*"
_NUMBER = r"0[xXoObB][0-9a-fA-F_]+|[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9]+)?"
# Lists that are too long to narrow anything: see MAX_VALUES and MAX_ROWS_OF_A_TEXT in predicates.
_VALUES = r"%s(?:, ?%s){100,}+"
_ROW = r"\(%s(?:, ?%s)*+\)"
_ROWS = rf"{_ROW}(?:, ?{_ROW}){{48,}}+"


def _pattern(comment: str, texts: str, names: str) -> re.Pattern[str]:
    return re.compile(
        rf"(?P<skip>[ \t\n\r\f\v]+|{comment})|(?P<open>/\*)|(?P<text>{texts})|(?P<name>{names})"
        rf"|(?P<list>{_VALUES}|{_ROWS})"
        r"|(?P<param>%s)|(?P<named>%\(\w+\)s)|(?P<sign>%%)"
        rf"|(?P<number>{_NUMBER})|(?P<word>{_NAME})|(?P<other>.)",
        re.DOTALL,
    )


_PATTERNS = {
    # Only in PostgreSQL, a carriage return ends a comment.
    "postgresql": _pattern(r"--[^\n\r]*", rf"[eE]{_ESCAPED_TEXT}|{_TEXT}|{_DOLLAR}", _DOUBLE),
    "sqlite": _pattern(_LINE, _TEXT, f"{_DOUBLE}|{_BACKTICK}|{_BRACKET}"),
    "mysql": _pattern(
        r"--(?=[\x00-\x20\x7f]|$)[^\n]*|\#[^\n]*",
        _ESCAPED_TEXT,
        rf'"[^"\\]*+(?:(?:\\.|"")[^"\\]*+)*+"|{_BACKTICK}',
    ),
    "oracle": _pattern(_LINE, _TEXT, _DOUBLE),
}
_SURE_OF_TEXT = frozenset({"mysql", "sqlite", "oracle"})
_OTHER = _pattern(_LINE, _TEXT, f"{_DOUBLE}|{_BACKTICK}|{_BRACKET}")
_OPEN_TAG = re.compile(r"\$(?:[^\W\d]\w*)?\$")
# MariaDB runs comments that begin so, if its version is that or a later one. So does MySQL.
_RUN_COMMENT = re.compile("[Mm]?!")
# A quote or a backslash that a setting of MySQL's server makes the end of a text, or not.
_QUOTE_IN_TEXT = re.compile(r"(?:[^\\]|\\[^'])*+\\'.", re.DOTALL)
_COMMENT = re.compile(r"/\*|\*/")
_ASCII_FOLDED = {ord(letter): letter.lower() for letter in ascii_uppercase}


def tokenize(sql: str, vendor: str) -> list[Token]:
    """Return the tokens of ``sql``, without its comments.

    Args:
        sql: the text.
        vendor: as Django calls it. For an unknown one, the quotes and comments are those of the
            standard, plus backticks and brackets.

    Raises:
        Unparsable: a quote or a comment is not closed, the dialect allows two readings, or there is
            too much to read.
    """
    if len(sql) > MAX_CHARACTERS:
        raise Unparsable("the text is too long")
    pattern = _PATTERNS.get(vendor, _OTHER)
    tokens: list[Token] = []
    count = position = pieces = 0
    while (match := pattern.match(sql, position)) is not None:
        pieces += 1
        kind, text, position = match.lastgroup, match[0], match.end()
        if kind == "open":
            if vendor == "mysql" and _RUN_COMMENT.match(sql, position):
                raise Unparsable("some versions of the server run a comment")
            position = _end_of_comment(sql, position, nests=vendor == "postgresql")
        elif kind == "param":
            tokens.append(Token(PARAM, "", count, 1))
            count += 1
        elif kind == "list":
            found = text.count("%s")
            tokens.append(Token(LIST, "", count, found))
            count += found
        elif kind == "named":
            tokens.append(Token(PARAM, ""))
        elif kind == "word":
            tokens.append(_name(WORD, text, vendor))
        elif kind == "name":
            if vendor == "mysql" and text[0] == '"' and "\\" in text:
                raise Unparsable("a backslash stands in double quotes")
            tokens.append(_name(NAME, _unquoted(text), vendor))
        elif kind == "number":
            # Older PostgreSQL reads 1FROM as two words, MySQL as one name.
            if (after := pattern.match(sql, position)) and after.lastgroup in ("word", "number"):
                raise Unparsable("a number runs into a word")
            tokens.append(Token(NUMBER, text))
        elif kind in ("text", "tag"):
            _check_text(text, tokens, vendor)
            tokens.append(Token(TEXT, ""))
        elif kind != "skip":
            _check_sign(sql, match.start(), vendor)
            tokens.append(Token(SIGN, text))
        if len(tokens) > MAX_TOKENS or pieces > 3 * MAX_TOKENS:
            raise Unparsable("the text has too many tokens")
    if vendor == "postgresql" and _has_unicode_name(tokens):
        raise Unparsable("a name is written with escapes")
    return tokens


def statements_of(tokens: Sequence[Token]) -> list[list[Token]]:
    """Split at semicolons. Inside parentheses a semicolon does not end a statement."""
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if token == SEMICOLON:
            parts.append([])
        else:
            parts[-1].append(token)
    return [part for part in parts if part]


def _end_of_comment(sql: str, position: int, nests: bool) -> int:
    if not nests:
        end = sql.find("*/", position)
        if end < 0:
            raise Unparsable("a comment is not closed")
        return end + 2
    depth = 1
    for mark in _COMMENT.finditer(sql, position):
        depth += 1 if mark[0] == "/*" else -1
        if not depth:
            return mark.end()
        if depth > _MAX_DEPTH:
            break
    raise Unparsable("a comment is not closed")


def _name(kind: str, text: str, vendor: str) -> Token:
    folded = text.casefold()
    if text == folded:
        return Token(kind, folded)
    if vendor == "sqlite" or (vendor == "postgresql" and kind == WORD):
        # These databases fold letters of ASCII only.
        if text.isascii():
            return Token(kind, folded)
        text = text.translate(_ASCII_FOLDED)
    return Token(kind, folded, exact=text)


def _unquoted(text: str) -> str:
    mark = text[-1]
    return text[1:-1] if mark == "]" else text[1:-1].replace(mark * 2, mark)


def _check_text(text: str, tokens: list[Token], vendor: str) -> None:
    """Refuse a literal whose end depends on a setting of the server or on a prefix."""
    if vendor == "oracle" and tokens and tokens[-1].text in ("q", "nq"):
        raise Unparsable("a literal has quotes of its own")
    if vendor == "mysql" and _QUOTE_IN_TEXT.match(text):
        raise Unparsable("a backslash stands before a quote")
    # PostgreSQL reads \' as a quote where standard_conforming_strings is off. SQLite and Oracle
    # never do, and Django writes ESCAPE '\' for them.
    if vendor not in _SURE_OF_TEXT and text.startswith("'") and "\\'" in text:
        raise Unparsable("a backslash stands before a quote")


def _check_sign(sql: str, at: int, vendor: str) -> None:
    """Refuse a quote that is never closed, at the first one: searching on would be work."""
    sign = sql[at]
    if sign in "'\"`" or (sign == "[" and vendor not in ("postgresql", "mysql", "oracle")):
        raise Unparsable("a quote is not closed")
    if sign == "$" and vendor == "postgresql" and _OPEN_TAG.match(sql, at):
        raise Unparsable("a quote is not closed")


def _has_unicode_name(tokens: list[Token]) -> bool:
    return any(
        first.text == "u" and second.text == "&" and third.kind == NAME
        for first, second, third in zip(tokens, tokens[1:], tokens[2:], strict=False)
    )
