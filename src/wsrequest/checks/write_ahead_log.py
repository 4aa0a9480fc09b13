"""What it needs to read PostgreSQL's log: ``manage.py check --database default``."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Tags, register
from django.db import connections

from wsrequest.checks.table import message
from wsrequest.conf import conf
from wsrequest.live.tracking.publication import PublicationState, read_publication

__all__ = ["check_write_ahead_log"]

_MAX_NAMES = 5


@register(Tags.database)
def check_write_ahead_log(
    databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """The databases whose logs are read can be heard, and report all tables."""
    found: list[CheckMessage] = []
    for alias in conf.logged_databases:
        if alias not in (databases or ()) or alias not in connections:
            continue
        connection = connections[alias]
        if connection.vendor == "postgresql":  # the check of the setting reports others
            state = read_publication(connection, conf.LIVE_IGNORED_TABLES)
            found += [message(id, **facts) for id, facts in _findings(state, alias)]
    return found


def _findings(state: PublicationState, alias: str) -> list[tuple[str, dict[str, object]]]:
    problems: list[tuple[str, dict[str, object]]] = []
    named: dict[str, object] = {"alias": repr(alias)}
    if state.wal_level != "logical":
        problems.append(("wsrequest.W046", {**named, "level": state.wal_level}))
    if not state.can_replicate and "@" not in conf.log_url:  # there, the URL names another role
        setting = "WSREQUEST_RELAYED_LOG" if conf.RELAYED_LOG else "WSREQUEST_BUS"
        problems.append(("wsrequest.W047", {**named, "setting": setting}))
    if not state.exists:
        return [*problems, ("wsrequest.W048", named)]
    lacking = (*state.missing, *state.filtered)
    if lacking or not state.is_whole:
        problems.append(("wsrequest.W043", {**named, "tables": _listed(lacking) or "some writes"}))
    if state.keyless:
        problems.append(("wsrequest.W044", {**named, "tables": _listed(state.keyless)}))
    if min(state.free_slots, state.free_senders) <= 0:
        problems.append(("wsrequest.W045", named))
    return problems


def _listed(tables: Sequence[str]) -> str:
    more = len(tables) - _MAX_NAMES
    return ", ".join(tables[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")
