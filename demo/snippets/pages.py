"""The live pages: a list with a form, a detail, and a part that all of them show.

Django's generic views and templates, as they have always been. Nothing here knows that a page is
live, and none of them has JavaScript of its own: the tag in ``pages/base.html`` does it all.
"""

from django.contrib.auth.mixins import UserPassesTestMixin
from django.contrib.messages.views import SuccessMessageMixin
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse, reverse_lazy
from django.views.decorators.http import require_safe
from django.views.generic import CreateView, DeleteView, DetailView, UpdateView

from snippets import highlighting
from snippets.forms import SnippetForm
from snippets.models import Snippet
from snippets.permissions import may_edit
from snippets.policy import PolicyMixin
from snippets.throttles import AnonymousCreateThrottle

ROWS = 6


class ListPage(PolicyMixin, SuccessMessageMixin, CreateView):
    """The snippets, newest first, and the form that adds one; ``?page=`` turns the pages."""

    form_class = SnippetForm
    template_name = "snippets/pages/list.html"
    success_url = reverse_lazy("page-list")
    success_message = "Created “%(title)s”."

    def get_context_data(self, **kwargs: object) -> dict[str, object]:
        """Add the rows of one page."""
        paginator = Paginator(Snippet.objects.select_related("owner"), ROWS)
        rows = paginator.get_page(self.request.GET.get("page"))
        return super().get_context_data(rows=rows, **kwargs)

    def form_valid(self, form: SnippetForm) -> HttpResponse:
        """Save it as the property of who is signed in, unless nobody is, too often."""
        if not AnonymousCreateThrottle().allow_request(self.request, self):
            form.add_error(None, "Too many at once. Sign in, or wait for a minute.")
            return self.form_invalid(form)
        if self.request.user.is_authenticated:
            form.instance.owner = self.request.user
        return super().form_valid(form)


class DetailPage(PolicyMixin, DetailView):
    """One snippet with its code in colors."""

    queryset = Snippet.objects.select_related("owner")
    template_name = "snippets/pages/detail.html"

    def get_context_data(self, **kwargs: object) -> dict[str, object]:
        """Add the highlighted code, and whether there are links to change it."""
        snippet = self.object
        code = highlighting.highlight_code(snippet.code, snippet.language, linenos=snippet.linenos)
        editable = may_edit(self.request.user, snippet)
        return super().get_context_data(code=code, editable=editable, **kwargs)


class EditorMixin(PolicyMixin, UserPassesTestMixin, SuccessMessageMixin):
    """For those who may edit the snippet. Somebody unknown goes to the login."""

    model = Snippet

    def test_func(self) -> bool:
        """Ask ``may_edit``."""
        return may_edit(self.request.user, self.get_object())


class EditPage(EditorMixin, UpdateView):
    """The form of one snippet."""

    form_class = SnippetForm
    template_name = "snippets/pages/edit.html"
    success_message = "Saved “%(title)s”."

    def get_success_url(self) -> str:
        """Return to the snippet."""
        return reverse("page-detail", args=[self.object.pk])


class DeletePage(EditorMixin, DeleteView):
    """The question whether a snippet is to be deleted."""

    template_name = "snippets/pages/delete.html"
    success_url = reverse_lazy("page-list")

    def get_success_message(self, cleaned_data: dict[str, object]) -> str:
        """Name what is gone."""
        return f"Deleted “{self.object}”."


@require_safe
def languages(request: HttpRequest) -> HttpResponse:
    """How many snippets there are in each language; each live page shows this as a region."""
    counts = (
        Snippet.objects.order_by()
        .values("language")
        .annotate(count=Count("id"))
        .order_by("-count", "language")
    )
    return render(request, "snippets/pages/languages.html", {"languages": counts})
