"""django-ninja: query parameters, a checked body, sync and async operations."""

from django.http import HttpRequest
from ninja import NinjaAPI, Schema

from tests.project.models import Note

api = NinjaAPI(urls_namespace="shinobi", docs_url=None)


class NoteIn(Schema):
    text: str


class NoteOut(Schema):
    id: int
    text: str


@api.get("/add")
def add(request: HttpRequest, a: int, b: int) -> dict[str, int]:
    return {"sum": a + b}


@api.post("/notes", response={201: NoteOut})
def create(request: HttpRequest, note: NoteIn) -> tuple[int, Note]:
    return 201, Note.objects.create(text=note.text)


@api.get("/notes", response=list[NoteOut])
async def listed(request: HttpRequest) -> list[Note]:
    return [note async for note in Note.objects.all()]


@api.get("/notes/{pk}", response=NoteOut)
async def read(request: HttpRequest, pk: int) -> Note:
    return await Note.objects.aget(pk=pk)
