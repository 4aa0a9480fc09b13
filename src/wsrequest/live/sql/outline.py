"""Finds where each parenthesis and each CASE of a statement ends.

One pass over the tokens records it. Code that looks at what stands outside of parentheses can then
skip them in one step, however deep they nest. Pure.
"""

from collections.abc import Iterator, Sequence

from wsrequest.live.sql.tokenizer import DOT, SIGN, WORD, Token

__all__ = ["Outline"]


class Outline:
    """The tokens of one statement, with the end of each bracketed part.

    Attributes:
        tokens: of the statement.
        is_sure: every parenthesis and every CASE has its end. Otherwise something inside could be
            taken for something outside.
    """

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self._closing: dict[int, int] = {}
        self.is_sure = self._match()

    def _match(self) -> bool:
        opened: list[int] = []
        for at, token in enumerate(self.tokens):
            text = token.text
            if token.kind == SIGN:
                if text == "(":
                    opened.append(at)
                    continue
                if text != ")":
                    continue
            elif token.kind != WORD or text not in ("case", "end"):
                continue
            elif self._is_column(at):
                continue
            elif text == "case":
                opened.append(at)
                continue
            opener = "(" if text == ")" else "case"
            if not opened or self.tokens[opened[-1]].text != opener:
                return False  # SQLite accepts END as a name
            self._closing[opened.pop()] = at
        return not opened

    def __len__(self) -> int:
        return len(self.tokens)

    def _is_column(self, at: int) -> bool:
        """After a dot, PostgreSQL accepts any word as a name."""
        return at > 0 and self.tokens[at - 1] == DOT

    def text(self, at: int) -> str:
        """Return the bare word or sign at this position, or "" for anything else."""
        if not 0 <= at < len(self.tokens):
            return ""
        token = self.tokens[at]
        return token.text if token.kind in (WORD, SIGN) and not self._is_column(at) else ""

    def closing(self, at: int) -> int:
        """Return where the parenthesis or CASE that opens at ``at`` closes."""
        return self._closing.get(at, len(self.tokens))

    def outside(self, begin: int, end: int) -> Iterator[int]:
        """Yield the positions outside of parentheses and CASE … END, and those where they open."""
        at = begin
        while at < end:
            yield at
            at = self._closing.get(at, at) + 1

    def split(self, begin: int, end: int, by: str) -> list[tuple[int, int]]:
        """Return the parts between the words or signs ``by`` that stand outside."""
        parts = []
        for at in self.outside(begin, end):
            if self.text(at) == by:
                parts.append((begin, at))
                begin = at + 1
        return [*parts, (begin, end)]

    def find(self, begin: int, end: int, words: frozenset[str]) -> int:
        """Return where the first of some words or signs stands outside, or ``end``."""
        return next((at for at in self.outside(begin, end) if self.text(at) in words), end)

    def unwrapped(self, begin: int, end: int) -> tuple[int, int]:
        """Return the range without the parentheses around all of it."""
        while end - begin > 1 and self.text(begin) == "(" and self.closing(begin) == end - 1:
            begin, end = begin + 1, end - 1
        return begin, end
