"""Users and sessions: sign-up, login, logout, passwords, messages and the CSRF token."""

from django.contrib import messages
from django.contrib.auth import (
    authenticate,
    login,
    logout,
    update_session_auth_hash,
)
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.views.decorators.csrf import csrf_exempt

PASSWORD = "a password for tests"


def who(request: HttpRequest) -> HttpResponse:
    return JsonResponse(
        {"user": request.user.get_username(), "session": request.session.session_key}
    )


async def async_who(request: HttpRequest) -> HttpResponse:
    user = await request.auser()
    return JsonResponse({"user": user.get_username()})


@csrf_exempt
def sign_up(request: HttpRequest) -> HttpResponse:
    """Make a user of the name in the query, with the password that all of them have."""
    User.objects.create_user(request.GET["user"], password=PASSWORD)
    return JsonResponse({"user": request.GET["user"]}, status=201)


@csrf_exempt
def deactivate(request: HttpRequest) -> HttpResponse:
    changed = User.objects.filter(username=request.GET["user"]).update(is_active=False)
    return JsonResponse({"changed": changed})


def log_in(request: HttpRequest) -> HttpResponse:
    """Log in with the form's ``user``, under Django's CSRF protection."""
    user = authenticate(request, username=request.POST.get("user"), password=PASSWORD)
    if user is None:
        return JsonResponse({"user": ""}, status=403)
    login(request, user)
    return who(request)


def log_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return who(request)


@login_required(login_url="/log-in/")
def change_password(request: HttpRequest) -> HttpResponse:
    """Change the password and keep this session, as Django's own view does."""
    request.user.set_password(PASSWORD)  # a new salt, hence a new session hash
    request.user.save()
    assert isinstance(request.user, User)
    update_session_auth_hash(request, request.user)
    return who(request)


def count(request: HttpRequest) -> HttpResponse:
    request.session["count"] = request.session.get("count", 0) + 1
    return JsonResponse({"count": request.session["count"]})


def message(request: HttpRequest) -> HttpResponse:
    """GET: the messages that wait, which removes them. With ``add``: one more."""
    if "add" in request.GET:
        messages.success(request, request.GET["add"])
        return JsonResponse({"added": request.GET["add"]})
    return JsonResponse({"messages": [str(message) for message in messages.get_messages(request)]})


def form(request: HttpRequest) -> HttpResponse:
    """POST: only with the token, as a form does. Other methods: the token, and its cookie."""
    if request.method == "POST":
        return JsonResponse({"posted": request.POST.get("text", "")})
    return JsonResponse({"token": get_token(request)})
