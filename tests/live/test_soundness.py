"""Whatever is read and written: a commit that changes a response always concerns its reads.

The text of a statement narrows its rows. Here the databases show whether that is sound.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.db import IntegrityError, connections
from django.db.models import Exists, F, OuterRef, Q
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.live.conftest import ALIAS, Database, Published, atomic, everywhere, run_sql
from tests.live.models import Article, Note, Room, Tag
from wsrequest.live.index import touches
from wsrequest.live.tracking.tracker import ChangeTracker

often = settings(
    max_examples=20,
    deadline=None,
    # The database is emptied by each example itself.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

keys = st.integers(1, 3)
texts = st.sampled_from(["a", "A", "a ", "b", "1", ""])
in_room = OuterRef("pk")


def run(sql: str, *params: Any) -> list[Any]:
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(sql, params)
        return sorted(map(str, cursor.fetchall()))


def quoted(name: str) -> str:
    return connections[ALIAS].ops.quote_name(name)


View = Callable[[int, str], Any]
VIEWS: dict[str, View] = {
    "by key": lambda key, text: list(Note.objects.filter(pk=key).values_list()),
    "by keys": lambda key, text: list(Note.objects.filter(pk__in=[key, 1]).values_list()),
    "by room": lambda key, text: sorted(Note.objects.filter(room=key).values_list("pk", "text")),
    "by text": lambda key, text: sorted(Note.objects.filter(text=text).values_list("pk")),
    "by both": lambda key, text: Note.objects.filter(room=key, text=text).count(),
    "either": lambda key, text: Note.objects.filter(Q(room=key) | Q(text=text)).count(),
    "neither": lambda key, text: Note.objects.exclude(room=key).filter(text=text).count(),
    "any case": lambda key, text: Note.objects.filter(text__iexact=text).count(),
    "of a name": lambda key, text: Note.objects.filter(room__name=text).count(),
    "of a name and key": lambda key, text: Note.objects.filter(room__name=text, pk=key).count(),
    "same room": lambda key, text: Note.objects.filter(room__note__text=text, pk=key).count(),
    "tagged": lambda key, text: sorted(Note.objects.filter(tags=key).values_list("pk")),
    "rooms": lambda key, text: Room.objects.filter(
        Exists(Note.objects.filter(room=in_room, text=text)), pk=key
    ).count(),
    "articles": lambda key, text: list(Article.objects.filter(room=key).values_list("text")),
    "raw": lambda key, text: run(
        "SELECT n.text, r.name FROM live_note n LEFT JOIN live_room AS r ON n.room_id = r.id AND "
        "r.name = %s WHERE n.room_id = %s AND (n.text = %s OR n.id > 1)",
        *(text, key, text),
    ),
    "raw outer": lambda key, text: run(
        "SELECT r.id, n.text FROM live_room r LEFT JOIN live_note n ON n.room_id = r.id "
        "WHERE r.id = %s AND n.text = %s",
        *(key, text),
    ),
    "raw other": lambda key, text: run(
        "SELECT COUNT(*), (SELECT MAX(text) FROM live_note) FROM live_note n WHERE n.id = %s", key
    ),
    "raw case": lambda key, text: run(
        "SELECT id FROM live_note WHERE CASE WHEN live_note.text = %s AND live_note.id = %s "
        "THEN 1 ELSE 0 END = 0",
        *(text, key),
    ),
}
Write = Callable[[int, int, str], Any]
WRITES: dict[str, Write] = {
    "create": lambda key, room, text: Note.objects.create(room_id=room, text=text),
    "create many": lambda key, room, text: Note.objects.bulk_create(
        [Note(room_id=room, text=text), Note(room_id=key, text="b")]
    ),
    "replace": lambda key, room, text: Note.objects.update_or_create(
        pk=key, defaults={"room_id": room, "text": text}
    ),
    "upsert": lambda key, room, text: Note.objects.bulk_create(
        [Note(pk=key, room_id=room, text=text)],
        update_conflicts=True,
        unique_fields=None if connections[ALIAS].vendor == "mysql" else ["id"],
        update_fields=["text", "room"],
    ),
    "move": lambda key, room, text: Note.objects.filter(pk=key).update(room_id=room),
    "move all": lambda key, room, text: Note.objects.filter(room_id=key).update(room_id=room),
    "rename": lambda key, room, text: Note.objects.filter(pk=key, room=room).update(text=text),
    "scatter": lambda key, room, text: Note.objects.filter(room=room).update(
        room_id=F("id") % 3 + 1
    ),
    "save": lambda key, room, text: [note.save() for note in Note.objects.filter(pk=key)],
    "delete": lambda key, room, text: Note.objects.filter(pk=key).delete(),
    "delete some": lambda key, room, text: Note.objects.filter(text=text, room=room).delete(),
    "rename room": lambda key, room, text: Room.objects.filter(pk=room).update(name=text),
    "tag": lambda key, room, text: [
        note.tags.add(Tag.objects.get_or_create(pk=room, name="t")[0])
        for note in Note.objects.filter(pk=key)
    ],
    "article": lambda key, room, text: Article.objects.create(room_id=room, text=text),
    "raw insert": lambda key, room, text: run_sql(
        "INSERT INTO live_note (room_id, text, {0}) "
        "SELECT %s, %s, {0} FROM live_note WHERE id = %s".format(quoted("key")),
        *(room, text, key),
    ),
    "raw update": lambda key, room, text: run_sql(
        "UPDATE live_note SET id = id + 10, text = %s WHERE id = %s", *(text, key)
    ),
    "raw swap": lambda key, room, text: run_sql(
        "UPDATE live_note SET room_id = %s WHERE room_id = %s AND text = %s", *(room, key, text)
    ),
}
steps = st.tuples(st.sampled_from(sorted(WRITES)), keys, keys, texts)


def empty() -> None:
    for model in (Article, Note, Tag, Room):
        model._default_manager.all().delete()
    Room.objects.bulk_create([Room(pk=key, name="a") for key in (1, 2, 3)])
    Note.objects.bulk_create(
        [Note(pk=key, room_id=key, text=text) for key, text in enumerate("aab", 1)]
    )
    if connections[ALIAS].vendor == "postgresql":
        run("SELECT setval('live_note_id_seq', 100)")


@everywhere
def test_answer_that_changes_is_touched(
    database: Database, tracker: ChangeTracker, published: Published
) -> None:
    published._look = lambda: None

    @often
    @given(
        st.tuples(*(st.tuples(st.just(name), keys, texts) for name in VIEWS)),
        st.lists(st.lists(steps, min_size=1, max_size=2), min_size=3, max_size=6),
    )
    def holds(views: tuple[Any, ...], transactions: list[list[Any]]) -> None:
        empty()
        found = [look(tracker, *view) for view in views]
        for writes in transactions:
            published.clear()
            with suppress(IntegrityError), atomic():  # of a foreign key, when it commits
                for name, key, room, text in writes:
                    WRITES[name](key, room, text)
            for at, view in enumerate(views):
                answer, reads = look(tracker, *view)
                before, before_reads = found[at]
                if answer != before:
                    told = list(published.changes)
                    assert any(touches(before_reads, changes) for changes in told), (view, writes)
                found[at] = answer, reads

    holds()


def look(tracker: ChangeTracker, name: str, key: int, text: str) -> tuple[Any, Any]:
    with tracker.reading() as reads:
        answer = VIEWS[name](key, text)
    return answer, reads.result()


def test_rooms_do_not_wake_each_other(
    database: Database, tracker: ChangeTracker, published: Published
) -> None:
    Room.objects.bulk_create([Room(name="a") for _ in range(3)])
    rooms = Room.objects.values_list("pk", flat=True)
    views = {pk: look(tracker, "by room", pk, "")[1] for pk in rooms}
    published.clear()
    Note.objects.create(text="b", room_id=2)
    (changes,) = published.changes
    assert [pk for pk, reads in views.items() if touches(reads, changes)] == [2]
