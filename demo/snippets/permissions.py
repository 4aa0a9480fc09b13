"""Who may do what with a snippet."""

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from snippets.models import Snippet


def may_edit(user, snippet: Snippet) -> bool:
    """Return whether this user may change or delete this snippet."""
    return user.is_authenticated and (user.is_staff or snippet.owner_id == user.pk)


class IsOwnerOrStaff(BasePermission):
    """Everybody may read and create; only its owner and staff may edit or delete a snippet."""

    def has_object_permission(self, request: Request, view: APIView, obj: Snippet) -> bool:
        """Ask ``may_edit``, unless the method changes nothing."""
        return request.method in SAFE_METHODS or may_edit(request.user, obj)
