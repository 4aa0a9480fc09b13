"""The shape of a statement: where each parenthesis and each CASE ends.

Owns one pass over the tokens, so that whoever looks at what stands outside of parentheses steps
over those in one go, however deep they nest. Pure.
"""

from collections.abc import Iterator, Sequence

from wsrequest.live.sql.tokenizer import DOT, SIGN, WORD, Token

__all__ = ["Outline"]


class Outline:
    """The tokens of one statement, and what closes where.

    Attributes:
        tokens: of the statement.
        is_sure: every parenthesis and CASE has its end, so that nothing is taken for outside
            that is not.
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
                return False  # SQLite takes END for a name
            self._closing[opened.pop()] = at
        return not opened

    def __len__(self) -> int:
        return len(self.tokens)

    def _is_column(self, at: int) -> bool:
        """Behind a dot PostgreSQL takes any word for a name."""
        return at > 0 and self.tokens[at - 1] == DOT

    def text(self, at: int) -> str:
        """The bare word or sign there, "" when it is something else."""
        if not 0 <= at < len(self.tokens):
            return ""
        token = self.tokens[at]
        return token.text if token.kind in (WORD, SIGN) and not self._is_column(at) else ""

    def closing(self, at: int) -> int:
        """Where the parenthesis or CASE that opens at ``at`` closes."""
        return self._closing.get(at, len(self.tokens))

    def outside(self, begin: int, end: int) -> Iterator[int]:
        """What stands in no parentheses and in no CASE … END, and where those begin."""
        at = begin
        while at < end:
            yield at
            at = self._closing.get(at, at) + 1

    def split(self, begin: int, end: int, by: str) -> list[tuple[int, int]]:
        """The parts between the words or signs ``by`` that stand outside."""
        parts = []
        for at in self.outside(begin, end):
            if self.text(at) == by:
                parts.append((begin, at))
                begin = at + 1
        return [*parts, (begin, end)]

    def find(self, begin: int, end: int, words: frozenset[str]) -> int:
        """Where the first of some words or signs stands outside; ``end`` when there is none."""
        return next((at for at in self.outside(begin, end) if self.text(at) in words), end)

    def unwrapped(self, begin: int, end: int) -> tuple[int, int]:
        """The same without the parentheses around all of it."""
        while end - begin > 1 and self.text(begin) == "(" and self.closing(begin) == end - 1:
            begin, end = begin + 1, end - 1
        return begin, end
