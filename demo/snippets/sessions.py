"""Login and logout as JSON, beside DRF's login pages and the tokens.

The session's cookie is Django's. Over the socket it holds for the connection at once; the page
makes it the browser's with the ticket of PROTOCOL.md section 6.2.
"""

from django.contrib.auth import login, logout
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from snippets.serializers import LoginSerializer, SessionSerializer


# DRF exempts its views from CSRF and checks only who has a session. A login must be checked before
# there is one, or another site could sign a visitor in as somebody else.
@method_decorator(
    [csrf_protect, never_cache, sensitive_post_parameters("password")], name="dispatch"
)
class SessionView(APIView):
    """GET says who I am, POST logs in with ``username`` and ``password``, DELETE logs out."""

    permission_classes = (AllowAny,)

    @extend_schema(responses=SessionSerializer)
    def get(self, request: Request) -> Response:
        """Return the user, and whether a token or the session says so."""
        if not request.user.is_authenticated:
            return Response({"user": None, "via": None})
        via = "session" if request.auth is None else "token"
        return Response({"user": describe(request.user), "via": via})

    @extend_schema(request=LoginSerializer, responses=SessionSerializer)
    def post(self, request: Request) -> Response:
        """Log in, and return the user; 400 when name and password do not fit."""
        serializer = LoginSerializer(data=request.data, context={"request": request})
        serializer.is_valid(raise_exception=True)
        user = serializer.validated_data["user"]
        login(request, user)
        return Response({"user": describe(user), "via": "session"})

    @extend_schema(responses={204: None})
    def delete(self, request: Request) -> Response:
        """Log out; without a session nothing happens."""
        logout(request)
        return Response(status=status.HTTP_204_NO_CONTENT)


def describe(user) -> dict[str, object]:
    """Return what the page needs to know of a user."""
    return {"username": user.get_username(), "is_staff": user.is_staff}
