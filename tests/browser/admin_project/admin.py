"""One list for each kind of list that the admin has."""

import os
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.module_loading import import_string

from tests.browser.admin_project.models import Draft, Line, Memo, Note, Topic

__all__ = ["DraftAdmin", "LineInline", "MemoAdmin", "NoteAdmin", "TopicAdmin"]

# A theme has a class of its own for lists.
_THEMED = {"unfold": "unfold.admin.ModelAdmin"}
ModelAdmin: Any = import_string(
    _THEMED.get(os.environ.get("PROJECT_THEME", ""), "django.contrib.admin.ModelAdmin")
)


class LineInline(admin.TabularInline):  # type: ignore[type-arg]  # no generic class at run time
    model = Line
    extra = 1


@admin.register(Note)
class NoteAdmin(ModelAdmin):
    list_display = ["title", "topic", "is_public"]
    list_filter = ["is_public", "topic"]
    search_fields = ["title"]
    date_hierarchy = "day"
    list_per_page = 5
    inlines = [LineInline]


@admin.register(Draft)
class DraftAdmin(ModelAdmin):
    list_display = ["id", "title", "is_public", "topic", "day"]
    list_editable = ["title", "is_public", "topic", "day"]
    ordering = ["-pk"]


@admin.register(Memo)
class MemoAdmin(ModelAdmin):
    list_display = ["title", "text"]
    list_display_links = None
    actions = None

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Topic)
class TopicAdmin(ModelAdmin):
    search_fields = ["name"]
