"""The snippets app."""

from django.apps import AppConfig


class SnippetsConfig(AppConfig):
    """Pieces of code that visitors share."""

    name = "snippets"
