"""Views that read the tables in every way that Django offers; each answer follows from the rows.

Lists are ordered, so that two runs over the same rows give the same bytes.
"""

import json
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

from django.contrib.auth import get_user_model, login, logout
from django.contrib.auth.decorators import login_required, permission_required
from django.db import connection
from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    IntegerField,
    Max,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
    Window,
)
from django.db.models.functions import Coalesce, RowNumber, Upper
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseForbidden,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.vary import vary_on_headers
from rest_framework import serializers, viewsets

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
from tests.oracle.writes import run


def answer(rows: Iterable[Any]) -> JsonResponse:
    return JsonResponse([list(r) if isinstance(r, tuple) else r for r in rows], safe=False)


def plain(books: "QuerySet[Book]") -> JsonResponse:
    return answer(books.order_by("pk").values("id", "title", "kind", "price", "room", "author"))


# Filters.


def equal(request: HttpRequest) -> HttpResponse:
    """Books by equality on the columns that the query names."""
    given = {name: int(request.GET[name]) for name in request.GET}
    return plain(Book.objects.filter(**given))


def among(request: HttpRequest) -> HttpResponse:
    """Books by their keys, or by the names of their authors."""
    if "names" in request.GET:
        return plain(Book.objects.filter(author__name__in=request.GET["names"].split(",")))
    return plain(Book.objects.filter(pk__in=request.GET["ids"].split(",")))


def ranged(request: HttpRequest) -> HttpResponse:
    """Books by their price."""
    low = int(request.GET["low"])
    return plain(Book.objects.filter(price__range=(low, low + 20)).exclude(kind=3))


def either(request: HttpRequest) -> HttpResponse:
    """Books by one column or another."""
    n = int(request.GET["n"])
    return plain(Book.objects.filter(Q(kind=n) | Q(room__name=f"r{n}") | ~Q(author__isnull=False)))


def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One book, or 404."""
    book = get_object_or_404(Book.objects.select_related("author__boss", "room"), pk=pk)
    boss = book.author.boss.name if book.author and book.author.boss else None
    return JsonResponse({"title": book.title, "boss": boss, "room": book.room and book.room.name})


# Expressions.


def exists(request: HttpRequest) -> HttpResponse:
    """People of whom there is a book, or of whom there is none, and how that was read."""
    books = Book.objects.filter(author=OuterRef("pk"), kind__lt=2)
    condition = ~Exists(books) if "not" in request.GET else Exists(books)
    people = Person.objects.filter(condition).annotate(
        read=Exists(Reading.objects.filter(book__author=OuterRef("pk"), stars__gte=2))
    )
    return answer(people.order_by("pk").values_list("pk", "name", "read"))


def subquery(request: HttpRequest) -> HttpResponse:
    """People with the title of their newest book, in the order of the room of that."""
    books = Book.objects.filter(author=OuterRef("pk")).order_by("-pk")
    readers = books.order_by("-pk", "readers__name")
    people = Person.objects.annotate(
        newest=Subquery(books.values("title")[:1]), reader=readers.values("readers__name")[:1]
    )
    ordered = people.order_by(Subquery(books.values("room__name")[:1]).asc(nulls_first=True), "pk")
    return answer(ordered.values_list("pk", "newest", "reader"))


def authors(request: HttpRequest) -> HttpResponse:
    """People who are named by a query within a condition."""
    books = Book.objects.filter(kind=int(request.GET["kind"])).values("author")
    people = Person.objects.filter(pk__in=books).exclude(name=Tag.objects.values("name")[:1])
    return answer(people.order_by("pk").values_list("pk", "name"))


def aggregates(request: HttpRequest) -> HttpResponse:
    """Rooms and what is in them, and all of it."""
    rooms = Room.objects.annotate(n=Count("book"), cost=Coalesce(Sum("book__price"), 0))
    total = Book.objects.values("author").distinct()[:5].aggregate(n=Count("author"))
    dearest = Book.objects.aggregate(most=Max("price", filter=Q(tags__name="t1")))
    listed = list(rooms.filter(n__gte=1).order_by("pk").values_list("pk", "name", "n", "cost"))
    return JsonResponse({"rooms": listed, **total, **dearest, "any": Note.objects.exists()})


def cases(request: HttpRequest) -> HttpResponse:
    """Books with what a condition over a many-to-many relation says, and by it."""
    note = Case(When(tags__name="t1", then=Value("first")), default=Upper("author__name"))
    rank = Case(When(readers__name="p1", then=1), default=F("kind"), output_field=IntegerField())
    books = Book.objects.annotate(note=note, rank=rank).order_by("rank", "pk", "note")
    return answer(books.values_list("pk", "note", "rank").distinct())


def windows(request: HttpRequest) -> HttpResponse:
    """Books and their places in their rooms."""
    place = Window(RowNumber(), partition_by=F("room"), order_by=["price", "pk"])
    return answer(Book.objects.annotate(n=place).order_by("pk").values_list("pk", "n"))


class Gate:
    """Where a view stops behind what it has read, if a test has closed it."""

    def __init__(self) -> None:
        self.is_reached, self.is_open = threading.Event(), threading.Event()
        self.is_open.set()


GATE = Gate()


def gated(request: HttpRequest) -> HttpResponse:
    """Books, as they were before the gate."""
    found = list(Book.objects.order_by("pk").values_list("pk", "title"))
    GATE.is_reached.set()
    GATE.is_open.wait(30)
    return answer(found)


def chance(request: HttpRequest) -> HttpResponse:
    """Never the same twice."""
    with connection.cursor() as opened:
        opened.execute("SELECT random(), count(*) FROM oracle_book")
        return answer(opened.fetchall())


def slow(request: HttpRequest) -> HttpResponse:
    """Takes its time between what it reads and its answer, in which much can be committed."""
    found = list(Book.objects.filter(kind=int(request.GET["kind"])).order_by("pk").values_list())
    time.sleep(0.005)
    return JsonResponse({"books": found, "tags": Tag.objects.count()})


# Relations.


def prefetched(request: HttpRequest) -> HttpResponse:
    """Books of a kind with their tags and their good readers."""
    good = Prefetch("reading_set", Reading.objects.filter(stars__gte=1).select_related("person"))
    kind = int(request.GET["kind"])
    books: Any = Book.objects.filter(kind=kind).prefetch_related("tags", good)
    return answer(
        [
            book.pk,
            sorted(tag.name for tag in book.tags.all()),
            sorted((r.pk, r.person.name) for r in book.reading_set.all()),
        ]
        for book in books.order_by("pk")
    )


def team(request: HttpRequest, pk: int) -> HttpResponse:
    """Somebody's people, and theirs."""
    people = Person.objects.filter(Q(boss=pk) | Q(boss__boss=pk)).order_by("pk")
    return answer(people.values_list("pk", "name", "boss__name"))


def shelf(request: HttpRequest, pk: int) -> HttpResponse:
    """What somebody reads, over the table between."""
    person: Any = get_object_or_404(Person, pk=pk)
    return answer(
        (book.pk, book.title, book.stars)
        for book in person.reads.annotate(stars=F("reading__stars")).order_by("pk", "stars")
    )


def tagged(request: HttpRequest, name: str) -> HttpResponse:
    """Books and notes with a tag."""
    found = list(Book.objects.filter(tags__name=name).order_by("pk").values_list("pk", "title"))
    notes = list(Note.objects.filter(about__name=name).order_by("pk").values_list("pk", "text"))
    return JsonResponse({"books": found, "notes": notes})


def notes(request: HttpRequest) -> HttpResponse:
    """Notes with their tags, which Django fetches with ``extra``; nothing of notebooks."""
    listed = Note.objects.prefetch_related("about").order_by("pk")
    return answer((n.pk, n.text, sorted(tag.name for tag in n.about.all())) for n in listed)


def notebooks(request: HttpRequest) -> HttpResponse:
    return answer(Notebook.objects.order_by("pk").values_list("pk", "text"))


def places(request: HttpRequest) -> HttpResponse:
    """Parents, and whether they are a child."""
    listed = Place.objects.select_related("restaurant").order_by("pk")
    return answer((p.pk, p.name, hasattr(p, "restaurant") and p.restaurant.stars) for p in listed)


def restaurants(request: HttpRequest) -> HttpResponse:
    """Children by what the parent's table holds."""
    found = Restaurant.objects.filter(name__gte="p").order_by("pk")
    return answer(found.values_list("pk", "name", "stars"))


def odd(request: HttpRequest) -> HttpResponse:
    """Tables with unusual names, or of nobody."""
    mixed = list(Mixed.objects.order_by("pk").values_list("pk", "text"))
    legacy = list(Legacy.objects.order_by("pk").values_list("pk", "name"))
    return JsonResponse({"mixed": mixed, "legacy": legacy})


def leaves(request: HttpRequest) -> HttpResponse:
    """By a text in any case, or all."""
    found = Leaf.objects.order_by("pk")
    if "text" in request.GET:
        found = found.filter(text=request.GET["text"])
    return answer(found.values_list("pk", "text", "room"))


def accounts(request: HttpRequest) -> HttpResponse:
    """By a member of an enumeration, or by what the database makes of it."""
    found = Account.objects.order_by("pk")
    if "label" in request.GET:
        found = found.filter(label=request.GET["label"])
    else:
        kind = list(Kind)[int(request.GET["kind"])]
        found = found.filter(kind=kind, user=int(request.GET["user"]))
    return answer(found.values_list("pk", "kind", "user", "is_banned"))


# SQL.


def raw(request: HttpRequest) -> HttpResponse:
    """A model from SQL."""
    rooms = "oracle_room" if connection.vendor == "mysql" else "ORACLE_ROOM"
    sql = f"SELECT b.* FROM oracle_book b JOIN {rooms} r ON r.id = b.room_id WHERE r.is_open"
    books = Book.objects.raw(f"{sql} ORDER BY b.id")
    return answer((book.pk, book.title, book.price) for book in books)


def cursor(request: HttpRequest) -> HttpResponse:
    """SQL as it is, with a common table expression."""
    with connection.cursor() as opened:
        opened.execute(
            "WITH dear AS (SELECT author_id, price FROM oracle_book WHERE price > %s) "
            "SELECT p.id, count(dear.price) FROM oracle_person AS p LEFT JOIN dear "
            "ON dear.author_id = p.id GROUP BY p.id ORDER BY p.id",
            [10],
        )
        return answer(opened.fetchall())


def mixed_cursor(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as opened:
        name = connection.ops.quote_name("OracleMixedCase")
        opened.execute(f"SELECT count(*), max(text) FROM {name}")
        return answer(opened.fetchall())


def union(request: HttpRequest) -> HttpResponse:
    """Names of two tables, and those of one that are none of another."""
    names = Person.objects.values_list("name").union(Place.objects.values_list("name"))
    other = Tag.objects.values_list("name").difference(Room.objects.values_list("name"))
    return JsonResponse({"names": sorted(names), "other": sorted(other)})


def extra(request: HttpRequest) -> HttpResponse:
    """``extra``, with a table that no relation names."""
    books = Book.objects.extra(
        where=["oracle_book.title IN (SELECT text FROM oracle_notebook)"],
    )
    return plain(books)


# Ways to answer.


def template(request: HttpRequest) -> HttpResponse:
    """Reads when it is rendered, behind the view."""
    books = Book.objects.filter(kind__lte=1).order_by("pk")
    return TemplateResponse(request, "oracle/books.html", {"books": books, "notes": Note.objects})


def stream(request: HttpRequest) -> StreamingHttpResponse:
    """Reads while it is sent."""

    def lines() -> Iterator[str]:
        for book in Book.objects.order_by("pk").iterator(chunk_size=3):
            yield f"{book.pk} {book.title}\n"
        yield f"{Tag.objects.count()} tags"

    return StreamingHttpResponse(lines(), content_type="text/plain")


async def async_list(request: HttpRequest) -> HttpResponse:
    """Reads from a coroutine."""
    kind = int(request.GET["kind"])
    found = [book.title async for book in Book.objects.filter(kind=kind).order_by("pk")]
    return JsonResponse({"titles": found, "people": await Person.objects.acount()})


async def async_stream(request: HttpRequest) -> StreamingHttpResponse:
    """Reads from a coroutine while it is sent."""

    async def lines() -> AsyncIterator[str]:
        async for person in Person.objects.order_by("pk"):
            yield f"{person.pk} {person.name}\n"

    return StreamingHttpResponse(lines(), content_type="text/plain")


class _ReadingSerializer(serializers.ModelSerializer[Reading]):
    person = serializers.StringRelatedField(source="person.name")

    class Meta:
        model = Reading
        fields = ("person", "stars")


class _BookSerializer(serializers.ModelSerializer[Book]):
    author = serializers.SlugRelatedField(slug_field="name", read_only=True)
    tags = serializers.SlugRelatedField(slug_field="name", read_only=True, many=True)
    reading_set = _ReadingSerializer(many=True)

    class Meta:
        model = Book
        fields = ("id", "title", "author", "tags", "reading_set")


class BookViewSet(viewsets.ReadOnlyModelViewSet[Book]):
    """Nested serializers of Django REST framework."""

    queryset = Book.objects.order_by("pk").prefetch_related(
        Prefetch("tags", Tag.objects.order_by("pk")),
        Prefetch("reading_set", Reading.objects.order_by("pk")),
    )
    serializer_class = _BookSerializer


# Who asks. "viewer" tells the oracle for whom an answer was made.


def viewer(request: HttpRequest) -> str:
    return request.user.get_username() or "-"


def mine(request: HttpRequest) -> HttpResponse:
    """What the user owns; as much for nobody."""
    secrets = Secret.objects.filter(owner_id=request.user.pk).order_by("pk")
    return JsonResponse({"viewer": viewer(request), "secrets": list(secrets.values("id", "text"))})


@login_required
def own(request: HttpRequest) -> HttpResponse:
    """The same for users only."""
    return mine(request)


@permission_required("oracle.read_all", raise_exception=True)
def everybodys(request: HttpRequest) -> HttpResponse:
    """What all users own, for those who may."""
    secrets = Secret.objects.order_by("pk").values_list("pk", "owner__username", "text")
    return JsonResponse({"viewer": viewer(request), "secrets": list(secrets)})


def by_header(request: HttpRequest) -> HttpResponse:
    """For users only, whom nothing but a header of the request tells."""
    return JsonResponse({"language": request.headers.get("Accept-Language", "-"), **_counts()})


def _counts() -> dict[str, int]:
    return {"people": Person.objects.count(), "books": Book.objects.count()}


@cache_control(public=True)
def public(request: HttpRequest) -> HttpResponse:
    """The same for everybody, and says so."""
    return JsonResponse({"rooms": list(Room.objects.order_by("pk").values_list("pk", "name"))})


@cache_control(public=True)
@vary_on_headers("Accept-Language")
def varied(request: HttpRequest) -> HttpResponse:
    """The same for all of one language."""
    return by_header(request)


def private(request: HttpRequest) -> HttpResponse:
    """Says that it is for one user, with a word that would let it be shared beside it."""
    response = mine(request)
    response.headers["Cache-Control"] = "private, max-age=60, s-maxage=60"
    return response


def now_and_then(request: HttpRequest) -> HttpResponse:
    """For everybody as long as all rooms are open, else for one."""
    if Room.objects.filter(is_open=False).exists():
        return mine(request)
    response = answer(Room.objects.order_by("pk").values_list("pk", "name"))
    response.headers["Cache-Control"] = "public"
    return response


# What changes who asks.


def log_in(request: HttpRequest) -> HttpResponse:
    """Log in as a user, without a password."""
    user = get_object_or_404(get_user_model(), username=request.GET["user"])
    if not user.is_active:
        return HttpResponseForbidden()
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return JsonResponse({"viewer": viewer(request)})


def log_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return JsonResponse({})


def change(request: HttpRequest) -> HttpResponse:
    """Run a transaction of the oracle's within the request."""
    mode, operations = json.loads(request.body)
    return JsonResponse({"committed": run(mode, operations)})


def ready(request: HttpRequest) -> HttpResponseBase:
    """Reads nothing."""
    return HttpResponse("ready")


# Statements of which nobody can tell what they write.
VAGUE = {
    "call": "CALL oracle_stamp()",
    "do": "DO $$ BEGIN INSERT INTO oracle_stamps VALUES (1); END $$",
    "table": "INSERT INTO oracle_stamps VALUES (1)",
}


def vague(request: HttpRequest, kind: str, number: int) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute(VAGUE[kind])
    return answer(Tag.objects.order_by("pk").values_list("pk", "name"))
