"""What the oracle does to the tables: every kind of write, in every kind of transaction.

A write is a name and three numbers, so that a program of writes can be printed, run again and
shrunk. Keys are small, so that writes meet; what the database refuses is rolled back.

Long because it is a list: each kind of write, with what draws and makes it.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.models import Session
from django.core.cache import cache, caches
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, connection, transaction
from django.db.models import F, Model, QuerySet

from tests.oracle.project.models import (
    Account,
    Book,
    Kind,
    Leaf,
    Legacy,
    Mixed,
    Note,
    Notebook,
    Person,
    Place,
    Reading,
    Restaurant,
    Room,
    Secret,
    Tag,
)

__all__ = ["MODES", "USERS", "WRITES", "Transaction", "run"]

KEYS = 8
"""Rows of a table have keys up to this, where they are not the database's to choose."""
MOST_ROWS = 12
"""Of a table whose keys are the database's."""
USERS = ("u0", "u1", "u2")

Operation = Sequence[Any]  # [name, a, b, c], or ["atomic", whether it ends well, operations]
Transaction = Sequence[Any]  # [mode, operations]

WRITES: dict[str, Callable[[int, int, int], None]] = {}


class Undo(Exception):
    """Ends an atomic block as its program wants it to end."""


class HookFailed(Exception):
    """A function of ``on_commit`` raises; the transaction is committed all the same."""


def write(function: Callable[[int, int, int], None]) -> Callable[[int, int, int], None]:
    WRITES[function.__name__] = function
    return function


def key(n: int) -> int:
    return n % KEYS + 1


def any_of(model: type[Model], n: int) -> Any:
    """The key of some row; None where there is none."""
    keys = list(model._default_manager.order_by("pk").values_list("pk", flat=True))
    return keys[n % len(keys)] if keys and n % 7 else None


def any_user(n: int) -> Any:
    return get_user_model().objects.get(username=USERS[n % len(USERS)])


def some_book(a: int, b: int, c: int) -> Book:
    return Book(
        pk=key(a),
        title=f"t{b % 7}",
        kind=b % 4,
        price=c % 60,
        room_id=any_of(Room, a + b),
        author_id=any_of(Person, b + c),
    )


def trim(rows: "QuerySet[Any]") -> None:
    for row in rows.order_by("-pk")[MOST_ROWS:]:
        row.delete()


# Books.


@write
def book_save(a: int, b: int, c: int) -> None:
    some_book(a, b, c).save()


@write
def book_edit(a: int, b: int, c: int) -> None:
    book = Book.objects.get(pk=key(a))
    book.kind, book.title = b % 4, f"t{c % 7}"
    book.save(update_fields=["kind", "title"] if c % 2 else ["kind"])


@write
def book_locked(a: int, b: int, c: int) -> None:
    with transaction.atomic():
        book = Book.objects.select_for_update().get(pk=key(a))
        book.price = (book.price + b) % 60
        book.save()


@write
def book_move(a: int, b: int, c: int) -> None:
    Book.objects.filter(pk=key(a)).update(room=any_of(Room, b), author=any_of(Person, c))


@write
def books_update(a: int, b: int, c: int) -> None:
    Book.objects.filter(kind=a % 4).update(kind=b % 4, price=(F("price") + c) % 60)


@write
def books_update_related(a: int, b: int, c: int) -> None:
    Book.objects.filter(room__is_open=bool(a % 2), author__name=f"p{b % 4}").update(price=c % 60)


@write
def books_bulk_create(a: int, b: int, c: int) -> None:
    books = [some_book(a, b, c), some_book(a + 1, c, b)]
    if c % 2:
        Book.objects.bulk_create(books, ignore_conflicts=True)
    else:
        unique = None if connection.vendor == "mysql" else ["id"]  # there any conflict counts
        Book.objects.bulk_create(
            books, update_conflicts=True, update_fields=["kind", "price"], unique_fields=unique
        )


@write
def books_bulk_update(a: int, b: int, c: int) -> None:
    books = list(Book.objects.order_by("pk")[a % 3 :: 2])
    for n, book in enumerate(books):
        book.price, book.title = (b + n) % 60, f"t{(c + n) % 7}"
    Book.objects.bulk_update(books, ["price", "title"], batch_size=2)


@write
def book_update_or_create(a: int, b: int, c: int) -> None:
    Book.objects.update_or_create(pk=key(a), defaults={"title": f"t{b % 7}", "kind": c % 4})


@write
def book_get_or_create(a: int, b: int, c: int) -> None:
    Book.objects.get_or_create(pk=key(a), defaults={"title": f"t{b % 7}", "kind": c % 4})


@write
def book_delete(a: int, b: int, c: int) -> None:
    Book.objects.get(pk=key(a)).delete()


@write
def books_delete(a: int, b: int, c: int) -> None:
    Book.objects.filter(kind=a % 4, price__lt=b % 60).delete()


# Relations.


@write
def tag_save(a: int, b: int, c: int) -> None:
    Tag(pk=a % 4 + 1, name=f"t{b % 4}").save()


@write
def tag_delete(a: int, b: int, c: int) -> None:
    Tag.objects.filter(pk=a % 4 + 1).delete()


@write
def tags_add(a: int, b: int, c: int) -> None:
    Book.objects.get(pk=key(a)).tags.add(b % 4 + 1, c % 4 + 1)


@write
def tags_add_from_there(a: int, b: int, c: int) -> None:
    tag: Any = Tag.objects.get(pk=a % 4 + 1)
    tag.book_set.add(key(b))


@write
def tags_remove(a: int, b: int, c: int) -> None:
    Book.objects.get(pk=key(a)).tags.remove(b % 4 + 1)


@write
def tags_set(a: int, b: int, c: int) -> None:
    Book.objects.get(pk=key(a)).tags.set([b % 4 + 1])


@write
def tags_clear(a: int, b: int, c: int) -> None:
    tag: Any = Tag.objects.get(pk=a % 4 + 1)
    tag.book_set.clear()


@write
def readers_add(a: int, b: int, c: int) -> None:
    Book.objects.get(pk=key(a)).readers.add(key(b), through_defaults={"stars": c % 4})


@write
def reading_create(a: int, b: int, c: int) -> None:
    Reading.objects.create(
        book_id=any_of(Book, a) or 1, person_id=any_of(Person, b) or 1, stars=c % 4
    )
    trim(Reading.objects.all())


@write
def reading_update(a: int, b: int, c: int) -> None:
    Reading.objects.filter(person=key(a)).update(stars=b % 4)


@write
def reading_delete(a: int, b: int, c: int) -> None:
    Reading.objects.filter(book=key(a)).delete()


@write
def person_save(a: int, b: int, c: int) -> None:
    Person(pk=key(a), name=f"p{b % 4}", boss_id=any_of(Person, c)).save()


@write
def person_boss(a: int, b: int, c: int) -> None:
    Person.objects.filter(pk=key(a)).update(boss=any_of(Person, b))


@write
def person_delete(a: int, b: int, c: int) -> None:
    Person.objects.filter(pk=key(a)).delete()


@write
def room_save(a: int, b: int, c: int) -> None:
    Room(pk=a % 4 + 1, name=f"r{b % 4}", is_open=bool(c % 3)).save()


@write
def room_delete(a: int, b: int, c: int) -> None:
    Room.objects.filter(pk=a % 4 + 1).delete()


@write
def place_save(a: int, b: int, c: int) -> None:
    Place.objects.update_or_create(pk=key(a), defaults={"name": f"p{b % 4}"})


@write
def restaurant_save(a: int, b: int, c: int) -> None:
    Restaurant(pk=key(a), name=f"{'pq'[b % 2]}{b % 4}", stars=c % 4).save()


@write
def restaurants_update(a: int, b: int, c: int) -> None:
    Restaurant.objects.filter(stars=a % 4).update(name=f"p{b % 4}", stars=c % 4)


@write
def restaurant_delete(a: int, b: int, c: int) -> None:
    Restaurant.objects.get(pk=key(a)).delete(keep_parents=bool(b % 2))


@write
def place_delete(a: int, b: int, c: int) -> None:
    Place.objects.filter(pk=key(a)).delete()


# Other tables.


@write
def note_create(a: int, b: int, c: int) -> None:
    note = Note.objects.create(text=f"n{a % 9}")
    if b % 2:
        note.about.set(Tag.objects.filter(pk__lte=c % 5))
    trim(Note.objects.all())


@write
def notes_bulk_create(a: int, b: int, c: int) -> None:
    Note.objects.bulk_create([Note(text=f"n{a % 9}"), Note(text=f"n{b % 9}")])
    trim(Note.objects.all())


@write
def notebook_save(a: int, b: int, c: int) -> None:
    Notebook(pk=key(a), text=f"t{b % 7}").save()


@write
def mixed_save(a: int, b: int, c: int) -> None:
    Mixed(pk=key(a), text=f"m{b % 9}").save()


@write
def legacy_save(a: int, b: int, c: int) -> None:
    Legacy(pk=key(a), name=f"l{b % 9}").save()


@write
def secret_save(a: int, b: int, c: int) -> None:
    Secret(pk=key(a), text=f"s{b % 9}", owner=any_user(c)).save()


@write
def leaf_save(a: int, b: int, c: int) -> None:
    Leaf(pk=key(a), text=f"{'aA'[b % 2]}{b % 4}", room_id=any_of(Room, c)).save()


@write
def leaf_delete(a: int, b: int, c: int) -> None:
    Leaf.objects.filter(text=f"A{a % 4}").delete()


@write
def account_save(a: int, b: int, c: int) -> None:
    kind = list(Kind)[b % 2]
    Account(pk=key(a), kind=kind.value if c % 2 else kind, user=c % 4).save()


@write
def accounts_ban(a: int, b: int, c: int) -> None:
    Account.objects.filter(kind=list(Kind)[a % 2].value, user=b % 4).update(is_banned=bool(c % 2))


@write
def accounts_turn(a: int, b: int, c: int) -> None:
    Account.objects.filter(label=list(Kind)[a % 2].value.upper()).update(kind=list(Kind)[b % 2])


# SQL.


def execute(sql: str, parameters: Sequence[Any] = ()) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


@write
def sql_update(a: int, b: int, c: int) -> None:
    execute("UPDATE oracle_book SET price = %s WHERE id > %s", [a % 60, key(b)])


@write
def sql_update_mixed(a: int, b: int, c: int) -> None:
    name = connection.ops.quote_name("OracleMixedCase")
    execute(f"update {name} set text = %s where id = %s", [f"m{a % 9}", key(b)])


@write
def sql_insert_from(a: int, b: int, c: int) -> None:
    execute("DELETE FROM oracle_notebook WHERE id > 3")
    execute(
        "INSERT INTO oracle_notebook (id, text) "
        "SELECT id + 3, title FROM oracle_book WHERE kind = %s AND id + 3 > 3",
        [a % 4],
    )


@write
def sql_many(a: int, b: int, c: int) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE oracle_person SET name = %s WHERE id = %s",
            [(f"p{b % 4}", key(a)), (f"p{c % 4}", key(a + 1))],
        )


@write
def sql_upsert(a: int, b: int, c: int) -> None:
    conflict = "ON CONFLICT (id) DO UPDATE SET name = excluded.name"
    if connection.vendor == "mysql":
        conflict = "ON DUPLICATE KEY UPDATE name = VALUES(name)"
    execute(
        f"INSERT INTO oracle_legacy (id, name) VALUES (%s, %s) {conflict}", [key(a), f"l{b % 9}"]
    )


@write
def sql_replace(a: int, b: int, c: int) -> None:
    if connection.vendor != "postgresql":
        execute("REPLACE INTO oracle_legacy (id, name) VALUES (%s, %s)", [key(a), f"l{b % 9}"])
    else:
        execute(
            "MERGE INTO oracle_legacy AS l USING (SELECT %s::integer AS id, %s AS name) AS n "
            "ON l.id = n.id WHEN MATCHED THEN UPDATE SET name = n.name "
            "WHEN NOT MATCHED THEN INSERT (id, name) VALUES (n.id, n.name)",
            [key(a), f"l{b % 9}"],
        )


@write
def sql_written_by_a_query(a: int, b: int, c: int) -> None:
    if connection.vendor == "sqlite":
        execute("UPDATE oracle_tag SET name = %s WHERE id = %s RETURNING id", [f"t{a % 4}", 1])
    elif connection.vendor == "mysql":  # two tables by one statement
        execute(
            "UPDATE oracle_room r JOIN oracle_tag t ON r.id = t.id SET t.name = %s WHERE r.id = %s",
            [f"t{a % 4}", b % 4 + 1],
        )
    else:
        execute(
            "WITH done AS (UPDATE oracle_tag SET name = %s WHERE id = %s RETURNING id) "
            "SELECT count(*) FROM done",
            [f"t{a % 4}", b % 4 + 1],
        )


@write
def sql_copy(a: int, b: int, c: int) -> None:
    execute("DELETE FROM oracle_notebook WHERE id > 5")
    if connection.vendor == "sqlite":
        execute("INSERT OR IGNORE INTO oracle_notebook VALUES (6, %s)", [f"t{a % 7}"])
    elif connection.vendor == "mysql":
        with connection.cursor() as cursor:  # two statements in one text
            cursor.execute(
                "DELETE FROM oracle_notebook WHERE id = 6; "
                "INSERT IGNORE INTO oracle_notebook VALUES (6, %s)",
                [f"t{a % 7}"],
            )
    else:
        # Django wraps the errors of what goes through its own cursors only.
        with connection.wrap_database_errors, connection.cursor() as cursor:
            if not hasattr(cursor.cursor, "copy"):  # psycopg2, whose own methods are not seen
                execute("INSERT INTO oracle_notebook VALUES (6, %s)", [f"t{a % 7}"])
                return
            with cursor.copy("COPY oracle_notebook FROM STDIN") as copy:
                copy.write_row((6, f"t{a % 7}"))


@write
def truncate(a: int, b: int, c: int) -> None:
    if a % 4:
        return  # the tables would be empty most of the time
    verb = "DELETE FROM" if connection.vendor == "sqlite" else "TRUNCATE"
    execute(f"{verb} oracle_book_tags")
    execute(f"{verb} oracle_reading")


# Temporary tables.


def make_temporary() -> None:
    """One that hides a table of the project, to the end of the write."""
    drop_temporary()
    execute("CREATE TEMPORARY TABLE oracle_legacy (id integer PRIMARY KEY, name varchar(50))")


def drop_temporary() -> None:
    """Drop it on MySQL, where no rollback takes it along."""
    if connection.vendor == "mysql":
        execute("DROP TEMPORARY TABLE IF EXISTS oracle_legacy")


@write
def temporary_hides(a: int, b: int, c: int) -> None:
    schema = {"sqlite": "main", "postgresql": "public"}.get(connection.vendor)
    make_temporary()
    try:
        Legacy(pk=key(a), name="hidden").save()
        if c % 2 and schema:
            execute(f"UPDATE {schema}.oracle_legacy SET name = %s WHERE id = %s", ["l0", key(b)])
        Legacy.objects.filter(pk=key(a)).update(name="hidden, too")
    finally:
        execute("DROP TABLE oracle_legacy")
    Legacy.objects.filter(pk=key(a)).update(name=f"l{b % 9}")


@write
def temporary_undone(a: int, b: int, c: int) -> None:
    try:
        with transaction.atomic():
            make_temporary()
            Legacy(pk=key(a), name="hidden").save()
            raise Undo
    except Undo:
        drop_temporary()
    Legacy(pk=key(b), name=f"l{c % 9}").save()


@write
def temporary_until_commit(a: int, b: int, c: int) -> None:
    if connection.vendor == "postgresql" and not connection.in_atomic_block:
        with transaction.atomic():
            execute(
                "CREATE TEMPORARY TABLE oracle_legacy ON COMMIT DROP AS SELECT * FROM oracle_legacy"
            )
            Legacy.objects.update(name="hidden")
    else:
        make_temporary()
        execute("DROP TABLE oracle_legacy")
    Legacy(pk=key(a), name=f"l{b % 9}").save()


# Users.


@write
def grant(a: int, b: int, c: int) -> None:
    any_user(a).user_permissions.add(Permission.objects.get(codename="read_all"))


@write
def revoke(a: int, b: int, c: int) -> None:
    any_user(a).user_permissions.remove(Permission.objects.get(codename="read_all"))


@write
def deactivate(a: int, b: int, c: int) -> None:
    user = any_user(a)
    user.is_active = bool(b % 3)
    user.save()


@write
def session_delete(a: int, b: int, c: int) -> None:
    keys = list(Session.objects.order_by("pk").values_list("pk", flat=True))
    if keys and a % 5 == 0:  # else nobody would be logged in most of the time
        Session.objects.filter(pk=keys[b % len(keys)]).delete()


# Caches and sessions.


def some_cache(n: int) -> Any:
    return caches[("default", "table")[n % 2]]


@write
def cache_set(a: int, b: int, c: int) -> None:
    some_cache(c).set(f"n{a % 3}", b % 9)


@write
def cache_set_many(a: int, b: int, c: int) -> None:
    some_cache(c).set_many({f"n{a % 3}": b % 9, f"n{b % 3}": a % 9})


@write
def cache_add(a: int, b: int, c: int) -> None:
    some_cache(c).get_or_set(f"n{a % 3}", b % 9)


@write
def cache_incr(a: int, b: int, c: int) -> None:
    try:
        some_cache(c).incr(f"n{a % 3}", b % 3)
    except ValueError:
        some_cache(c).add(f"n{a % 3}", 1)


@write
def cache_delete(a: int, b: int, c: int) -> None:
    some_cache(c).delete(f"n{a % 3}")


@write
def cache_delete_many(a: int, b: int, c: int) -> None:
    some_cache(c).delete_many(f"n{n}" for n in (a % 3, b % 3))


@write
def cache_clear(a: int, b: int, c: int) -> None:
    if a % 4 == 0:
        caches["table"].clear()  # the other one keeps sessions


@write
def page_delete(a: int, b: int, c: int) -> None:
    cache.delete_many(["tags", "config"])


@write
def session_put(a: int, b: int, c: int) -> None:
    keys = list(Session.objects.order_by("pk").values_list("pk", flat=True))
    if keys:
        session = import_module(settings.SESSION_ENGINE).SessionStore(keys[a % len(keys)])
        session["basket"] = b % 5
        session.save()


# Transactions.

MODES = ("auto", "atomic", "rolled_back", "by_hand", "undone_by_hand", "failing_hook", "hook")


def run(mode: str, operations: Sequence[Operation]) -> bool:
    """Run one transaction; what the database or the program refuses of it is rolled back.

    Returns:
        Whether it was committed, or some of it in autocommit mode.
    """
    try:
        return _run(mode, operations)
    finally:
        drop_temporary()


def _run(mode: str, operations: Sequence[Operation]) -> bool:
    try:
        if mode == "auto":
            _do(operations)
        elif mode in ("by_hand", "undone_by_hand"):
            _by_hand(operations, is_undone=mode == "undone_by_hand")
        else:
            with transaction.atomic():
                if mode == "failing_hook":
                    transaction.on_commit(_fail)
                elif mode == "hook":
                    transaction.on_commit(_write_more)
                _do(operations)
                if mode == "rolled_back":
                    raise Undo
    except HookFailed:
        return True
    except (Undo, DatabaseError, ObjectDoesNotExist, UpdateError):
        return False
    return mode != "undone_by_hand"


def _by_hand(operations: Sequence[Operation], *, is_undone: bool) -> None:
    transaction.set_autocommit(False)
    try:
        _do(operations)
        if is_undone:
            transaction.rollback()
        else:
            transaction.commit()
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)


def _do(operations: Sequence[Operation]) -> None:
    for name, *arguments in operations:
        if name == "atomic":
            ends_well, inner = arguments
            try:
                with transaction.atomic():
                    _do(inner)
                    if not ends_well:
                        raise Undo
            except Undo:
                pass
        else:
            WRITES[name](*arguments)


def _fail() -> None:
    raise HookFailed


def _write_more() -> None:
    Notebook.objects.update_or_create(pk=1, defaults={"text": f"t{Book.objects.count() % 7}"})
