"""The API of snippets: a viewset, function views, a class view and an async view on one model.

Ordinary Django and DRF throughout. Nothing here knows that there is a WebSocket.
"""

from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe
from django.views.generic import TemplateView
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from pygments.util import ClassNotFound
from rest_framework import viewsets
from rest_framework.decorators import action, api_view, permission_classes
from rest_framework.permissions import AllowAny
from rest_framework.renderers import StaticHTMLRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle

from snippets import highlighting
from snippets.models import Snippet
from snippets.permissions import IsOwnerOrStaff
from snippets.policy import PolicyMixin
from snippets.serializers import PreviewSerializer, SnippetSerializer
from snippets.throttles import AnonymousCreateThrottle

RECENT_DEFAULT, RECENT_MOST = 5, 50


class SnippetViewSet(viewsets.ModelViewSet):
    """Snippets, newest first. Everybody may read and create; editing is the owner's and staff's."""

    queryset = Snippet.objects.select_related("owner")
    serializer_class = SnippetSerializer
    permission_classes = (IsOwnerOrStaff,)

    def get_throttles(self) -> list[BaseThrottle]:
        """Count creating only."""
        return [AnonymousCreateThrottle()] if self.action == "create" else []

    def perform_create(self, serializer: SnippetSerializer) -> None:
        """Save it as the property of who is signed in."""
        user = self.request.user
        serializer.save(owner=user if user.is_authenticated else None)

    @extend_schema(responses={(200, "text/html"): OpenApiTypes.STR})
    @action(detail=True, renderer_classes=[StaticHTMLRenderer])
    def highlight(self, request: Request, pk: str | None = None) -> Response:
        """Return the snippet as an HTML page of its own."""
        snippet = self.get_object()
        html = highlighting.highlight_code(snippet.code, snippet.language, linenos=snippet.linenos)
        return Response(
            render(request, "snippets/highlight.html", {"snippet": snippet, "html": html}).content
        )


@extend_schema(request=PreviewSerializer, responses={(200, "text/html"): OpenApiTypes.STR})
@api_view(["POST"])
@permission_classes([AllowAny])
def preview(request: Request) -> HttpResponse:
    """Highlight the posted ``code`` and save nothing; the answer is a fragment of HTML."""
    serializer = PreviewSerializer(data=request.data)
    serializer.is_valid(raise_exception=True)
    return HttpResponse(highlighting.highlight_code(**serializer.validated_data))


@require_safe
@cache_control(max_age=3600, public=True)
def languages(request: HttpRequest) -> JsonResponse:
    """Return what ``language`` and ``style`` of a snippet may be."""
    return JsonResponse(
        {
            "popular": highlighting.POPULAR,
            "languages": highlighting.all_languages(),
            "styles": highlighting.all_styles(),
        }
    )


@require_safe
@cache_control(max_age=3600, public=True)
def stylesheet(request: HttpRequest, style: str) -> HttpResponse:
    """Return one Pygments style as CSS."""
    try:
        return HttpResponse(highlighting.stylesheet(style), content_type="text/css; charset=utf-8")
    except ClassNotFound:
        raise Http404(f"Pygments has no style {style!r}") from None


class StatsView(View):
    """How many snippets there are, by language."""

    def get(self, request: HttpRequest) -> JsonResponse:
        """Return the total, how many have no owner, and the languages, most used first."""
        by_language = (
            Snippet.objects.order_by()
            .values("language")
            .annotate(count=Count("id"))
            .order_by("-count", "language")
        )
        return JsonResponse(
            {
                "total": Snippet.objects.count(),
                "anonymous": Snippet.objects.filter(owner=None).count(),
                "languages": list(by_language),
            }
        )


@require_safe
async def recent(request: HttpRequest) -> JsonResponse:
    """Return the newest snippets without their code; ``?limit=`` says how many, 5 unless given."""
    try:
        limit = int(request.GET.get("limit", RECENT_DEFAULT))
    except ValueError:
        limit = 0
    if not 1 <= limit <= RECENT_MOST:
        return JsonResponse({"limit": [f"A number from 1 to {RECENT_MOST}."]}, status=400)
    newest = Snippet.objects.values("id", "title", "language", "owner__username", "created")
    rows = [row async for row in newest[:limit]]
    return JsonResponse({"results": rows})


@method_decorator([cache_control(no_cache=True), ensure_csrf_cookie], name="dispatch")
class HomeView(PolicyMixin, TemplateView):
    """The page, with the CSRF cookie that calls by HTTP need."""

    template_name = "snippets/index.html"
    extra_context = {"anonymous_rate": api_settings.DEFAULT_THROTTLE_RATES["anon_create"]}
