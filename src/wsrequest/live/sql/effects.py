"""Finds out what a statement does to the state of its own connection.

That state is what CREATE and DROP change for one connection only, the search path, and the life of
cursors and prepared statements. It also says which names may mean a temporary table at all. What
the connection has afterwards is recorded by ``connection_state``. Pure.
"""

from collections.abc import Sequence

from wsrequest.live.sql.mysql import begin_of_query
from wsrequest.live.sql.tables import name_at, schema_at
from wsrequest.live.sql.tokenizer import COMMA, DOT, OPEN, PARAM, TEXT, WORD, Token

__all__ = ["FORGET", "Effect", "Effects", "made_by_into"]

Effect = tuple[str, str]
"""The kind of an effect on the state of the connection, and the name that it is about.

- "table", "table until commit", "view": makes a temporary one.
- "shown": makes a view, which is temporary if it shows something temporary.
- "odd": the name may now mean something else.
- "trigger": makes a trigger on this table that only this connection sees.
- "renamed": renames something to this name.
- "path": changes the order of schemas.
- "drop": drops this name.
- "forget": may drop everything that the connection has.
- "discard": the same, and resets the connection's setup.
- "prepare", "deallocate": makes and drops a prepared statement.
- "declare", "declare hold", "close", "close all": opens and closes cursors.
- "commit": ends the transaction.
"""

FORGET: Effect = ("forget", "")
_NONE: frozenset[str] = frozenset()
_TEMPORARY = frozenset({"temp", "temporary"})
# What may stand between CREATE and a name, and the kinds of things that are created.
_BEFORE_MADE = frozenset(
    "or replace global local unlogged recursive unique constraint virtual if not exists "
    "concurrently".split()
)
_MAKEABLE = frozenset({"table", "view", "trigger", "rule", "index", "sequence"})
# The schema that holds this connection's own tables only.
_TEMPORARY_SCHEMAS = {"sqlite": "temp", "postgresql": "pg_temp"}


class Effects:
    """Reads the effects of the statements of one text.

    Args:
        sql: the text.
        vendor: as Django calls the database.
    """

    def __init__(self, sql: str, vendor: str) -> None:
        self._sql, self._vendor = sql, vendor
        # Schemas that hold, or may hold, this connection's own tables only.
        self._own_schemas = frozenset({"", _TEMPORARY_SCHEMAS.get(vendor, "")})

    def may_be_own(self, schema: str) -> bool:
        """Return whether a name with this schema ("" for none) may be of a temporary table."""
        return schema in self._own_schemas

    def own_name(self, tokens: Sequence[Token], begin: int, last: int | None) -> frozenset[str]:
        """Return the name from ``begin`` to ``last``, if it may be of a temporary table."""
        if last is None or not self.may_be_own(schema_at(tokens, begin, last)):
            return _NONE
        return frozenset({tokens[last].name})

    def of_session(self, tokens: list[Token], verb: str, words: set[str]) -> tuple[Effect, ...]:
        """Return the effects of a statement about the session."""
        if verb == "use" and self._vendor == "mysql":
            return (FORGET,)  # its temporary tables belong to a database, and there is another now
        if verb in ("rollback", "abort"):
            return (FORGET,)  # whatever was made since is gone, and it is unknown what that is
        if verb == "discard" and "all" in words:
            return (("discard", ""),)
        if verb == "discard" and words & _TEMPORARY:
            return (FORGET,)
        if verb == "set" and self._sets_path(tokens):
            return (("path", ""),)
        if verb == "deallocate":
            return (("deallocate", tokens[-1].name),)
        if verb == "close" and len(tokens) > 1 and tokens[1].name:
            is_all = tokens[1].kind == WORD and tokens[1].name == "all"
            return (("close all", ""),) if is_all else (("close", tokens[1].name),)
        if verb in ("commit", "end"):
            return (("commit", ""),)
        return ()

    def of_schema(self, tokens: list[Token], verb: str, words: set[str]) -> tuple[Effect, ...]:
        """Return the effects of DDL that is not ``private``."""
        if verb == "create":
            made = self._made(tokens)
            if made is None:
                kind, _, at = _begin_of_made(tokens)
                # With a schema it cannot be temporary.
                is_bare = kind == "view" and name_at(tokens, at) == at
                may_be_own = is_bare and self._vendor == "postgresql"
                return (("shown", tokens[at].name),) if may_be_own else ()
            kind, at = made
            name = tokens[at].name
            return (("trigger", tokens[at].text) if kind == "trigger" else ("odd", name),)
        # What it renames or drops may have been temporary.
        renamed: tuple[Effect, ...] = ()
        if "rename" in words or verb == "rename":
            renamed = (("renamed", tokens[-1].text),)
        return (FORGET, *renamed)

    def private(
        self, tokens: list[Token], verb: str, words: set[str], temporary: frozenset[str]
    ) -> tuple[tuple[Effect, ...], int] | None:
        """Return the effects of DDL that concerns this connection only, or None.

        Args:
            tokens: of the statement.
            verb: its first word.
            words: all of its bare words.
            temporary: the exact names of temporary tables of the connection.

        Returns:
            The effects, and where the query begins that fills the new table, or 0 without one.
        """
        if verb == "drop":
            dropped = self.dropped(tokens)
            if not dropped or not dropped <= temporary:
                return None
            return tuple(("drop", name) for name in sorted(dropped)), 0
        if verb != "create":
            return None
        on = self.table_of(tokens, verb)
        if on and on <= temporary:
            (table,) = on
            is_index = _begin_of_made(tokens)[0] == "index"
            return () if is_index else (("trigger", table.casefold()),), 0
        made = self._made(tokens)
        if made is None or made[0] not in ("table", "view"):
            return None
        kind, last = made
        name = tokens[last].name
        if kind == "view":
            return (("view", name),), 0
        if words & {"inherits", "partition"}:
            return None
        lives = "table until commit" if words >= {"on", "commit", "drop"} else "table"
        if self._vendor == "mysql":
            return ((lives, name),), begin_of_query(tokens, last)
        begin = next((n for n, t in enumerate(tokens) if n > last and t.text == "as"), 0)
        return ((lives, name),), begin and begin + 1

    def table_of(self, tokens: list[Token], verb: str) -> frozenset[str]:
        """Return the table of an index, a trigger or a rule, if it may be temporary."""
        kind, _, begin = _begin_of_made(tokens) if verb == "create" else ("", False, 0)
        if kind not in ("index", "trigger", "rule"):
            return _NONE
        last = _behind(tokens, begin, "to" if kind == "rule" else "on")
        if last is None:
            return _NONE
        first = last
        while tokens[first - 1] == DOT:
            first -= 2
        return self.own_name(tokens, first, last)

    def dropped(self, tokens: Sequence[Token]) -> frozenset[str]:
        """Return the names of DROP TABLE and DROP VIEW, if all of them may be temporary."""
        at = 1
        if at < len(tokens) and tokens[at].text in _TEMPORARY:
            at += 1
        if at >= len(tokens) or tokens[at].text not in ("table", "view"):
            return _NONE
        at += 1
        while at < len(tokens) and tokens[at].text in ("if", "exists"):
            at += 1
        names = set()
        while (last := name_at(tokens, at)) is not None:
            if not self.may_be_own(schema_at(tokens, at, last)):
                return _NONE
            names.add(tokens[last].name)
            at = last + 2
            if tokens[last + 1 : last + 2] != [COMMA]:
                break
        return frozenset(names)

    def of_query(
        self,
        tokens: list[Token],
        verb: str,
        words: set[str],
        into: str | None,
        called: set[str],
    ) -> tuple[Effect, ...]:
        """Return the effects of a query.

        Args:
            tokens: of the statement.
            verb: its first word.
            words: all of its bare words.
            into: as ``made_by_into`` returns it.
            called: the names of the functions that it calls.
        """
        effects: list[Effect] = []
        if verb == "declare" and len(tokens) > 1:
            effects.append(("declare hold" if "hold" in words else "declare", tokens[1].name))
        if into:
            effects.append(("table", into))
        if "set_config" in called and self._configures_path(tokens):
            effects.append(("path", ""))
        return tuple(effects)

    def _made(self, tokens: list[Token]) -> tuple[str, int] | None:
        """Return the kind of what CREATE makes for this connection only, and where its name is.

        For a trigger, the name is that of its table. None for what every connection sees.
        """
        if self._vendor == "oracle":
            return None
        kind, is_temporary, begin = _begin_of_made(tokens)
        last = name_at(tokens, begin)
        if last is None:
            return None
        schema = schema_at(tokens, begin, last)
        is_own = schema in self._own_schemas or schema.startswith("pg_temp")
        if not is_temporary and not (schema and is_own):
            return None
        if schema and self._vendor == "mysql":  # of another database, perhaps
            return None
        if kind == "trigger":
            on = _behind(tokens, last, "on")
            return None if on is None else (kind, on)
        return kind, last

    # The search path.

    def _sets_path(self, tokens: list[Token]) -> bool:
        """Whether SET may put temporary tables behind others."""
        texts = {token.text for token in tokens}
        return not texts.isdisjoint(("search_path", "schema")) and self._may_name_temporary(tokens)

    def _configures_path(self, tokens: list[Token]) -> bool:
        """Whether a call of set_config() may do that."""
        for at, token in enumerate(tokens):
            if token.text == "set_config" and tokens[at + 1 : at + 2] == [OPEN]:
                names = [each.kind for each in tokens[at + 2 : at + 3]] == [TEXT]
                if not names or tokens[at + 3 : at + 4] != [COMMA]:
                    return True
        is_path = "search_path" in self._sql.casefold() or not self._sql.isascii()
        return (is_path or "\\" in self._sql) and self._may_name_temporary(tokens)

    def _may_name_temporary(self, tokens: list[Token]) -> bool:
        """Whether pg_temp may stand in a text, or in its parameters."""
        if any(token.kind == PARAM or token.text == "||" for token in tokens):
            return True
        return "pg_temp" in self._sql.casefold() or any(sign in self._sql for sign in "\\&|")


def made_by_into(tokens: Sequence[Token]) -> str | None:
    """Return the temporary table that SELECT … INTO makes, "" for another table, or None."""
    at = next((n for n, t in enumerate(tokens) if t.kind == WORD and t.text == "into"), None)
    if at is None:
        return None
    at += 1
    while at < len(tokens) and tokens[at].text in ("global", "local"):
        at += 1
    if at >= len(tokens) or tokens[at].text not in _TEMPORARY:
        return ""
    at += 1
    if at < len(tokens) and tokens[at].text == "table":
        at += 1
    last = name_at(tokens, at)
    return "" if last is None else tokens[last].name


def _begin_of_made(tokens: Sequence[Token]) -> tuple[str, bool, int]:
    """Return what CREATE makes, whether it says TEMPORARY, and where the name begins."""
    kind, is_temporary, at = "", False, 1
    while at < len(tokens) and tokens[at].kind == WORD and tokens[at + 1 : at + 2] != [DOT]:
        word = tokens[at].text
        if word in _TEMPORARY:
            is_temporary = True
        elif word in _MAKEABLE and not kind:
            kind = word
        elif word not in _BEFORE_MADE:
            break
        at += 1
    return kind, is_temporary, at


def _behind(tokens: Sequence[Token], begin: int, word: str) -> int | None:
    """Return where the name stands that follows the first bare ``word`` from ``begin`` on."""
    for at in range(begin, len(tokens)):
        if tokens[at].kind == WORD and tokens[at].text == word and tokens[at - 1] != DOT:
            return name_at(tokens, at + 1)
    return None
