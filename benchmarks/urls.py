"""The views that are measured."""

from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest, JsonResponse
from django.urls import path
from rest_framework.decorators import api_view
from rest_framework.response import Response
from rest_framework.serializers import ModelSerializer

HELLO = {"hello": "world"}


class TypeSerializer(ModelSerializer):
    """A row that every project has."""

    class Meta:
        model = ContentType
        fields = ["id", "app_label", "model"]


def trivial(request: HttpRequest) -> JsonResponse:
    """The least that a view can do."""
    return JsonResponse(HELLO)


async def trivial_async(request: HttpRequest) -> JsonResponse:
    """The same, async."""
    return JsonResponse(HELLO)


@api_view(["GET"])
def retrieve(request: Any, pk: int) -> Response:
    """One row through Django REST framework."""
    return Response(TypeSerializer(ContentType.objects.get(pk=pk)).data)


urlpatterns = [
    path("trivial/", trivial),
    path("async/", trivial_async),
    path("drf/<int:pk>/", retrieve),
]
