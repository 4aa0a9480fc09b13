"""Django REST framework: a function, a view, a set with an action of its own, a throttle."""

from typing import Any

from rest_framework import serializers
from rest_framework.decorators import action, api_view
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import SimpleRateThrottle, UserRateThrottle
from rest_framework.views import APIView
from rest_framework.viewsets import ModelViewSet

from tests.project.models import Note


class NoteSerializer(serializers.ModelSerializer[Note]):
    class Meta:
        model = Note
        fields = ("id", "text")


class NoteViewSet(ModelViewSet[Note]):
    """Notes; ``text`` in the query of the list keeps those of that text."""

    serializer_class = NoteSerializer
    queryset = Note.objects.all()

    def get_queryset(self) -> Any:
        text = self.request.query_params.get("text")
        notes = super().get_queryset()
        return notes if text is None else notes.filter(text=text)

    @action(detail=True, methods=["post"])
    def shout(self, request: Request, pk: str) -> Response:
        return Response({"shouted": self.get_object().text.upper()})


@api_view(["GET", "POST"])
def function(request: Request) -> Response:
    return Response({"method": request.method, "data": request.data})


class MemberView(APIView):
    """For users who are logged in."""

    permission_classes = (IsAuthenticated,)

    def get(self, request: Request) -> Response:
        return Response({"user": request.user.get_username()})

    def post(self, request: Request) -> Response:
        return Response({"user": request.user.get_username(), "data": request.data}, status=201)


class PerNameThrottle(SimpleRateThrottle):
    """Two requests an hour for each ``name`` of the query."""

    rate = "2/hour"

    def get_cache_key(self, request: Request, view: APIView) -> str:
        return f"throttle-{request.query_params['name']}-{self.get_ident(request)}"


class PerUserThrottle(UserRateThrottle):
    scope = "list"
    rate = "3/min"


class LimitedListView(APIView):
    """Notes, three times a minute for each user."""

    throttle_classes = (PerUserThrottle,)

    def get(self, request: Request) -> Response:
        return Response({"texts": list(Note.objects.order_by("pk").values_list("text", flat=True))})


class ThrottledView(APIView):
    throttle_classes = (PerNameThrottle,)

    def get(self, request: Request) -> Response:
        return Response({"served": True})
