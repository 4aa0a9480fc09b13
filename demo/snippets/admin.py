"""Snippets in Django's admin."""

from django.contrib import admin

from snippets.models import Snippet


@admin.register(Snippet)
class SnippetAdmin(admin.ModelAdmin):
    """The list shows what one looks for: whose it is, and how old."""

    list_display = ("title", "language", "owner", "created")
    list_filter = ("language",)
    list_select_related = ("owner",)
    search_fields = ("title", "code")
