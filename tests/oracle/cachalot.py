"""A project with django-cachalot, in a process of its own: it replaces methods of Django for good.

Owns the program that ``test_cachalot`` starts. It writes, and compares live bodies with fresh ones.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

import django

URLS = ("/notes/", "/equal/?kind=1", "/subquery/", "/rest/books/", "/tagged/t1/", "/mine/")


def main(directory: str) -> int:
    """Print what is not current; 1 when there was any."""
    from tests.project import settings

    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "cachalot"]
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.project.settings"
    os.environ["PROJECT_LOG_LEVEL"] = "CRITICAL"
    django.setup()
    from django.db import transaction

    from tests.oracle.audience import watching
    from tests.oracle.world import fill, on_sqlite

    found = []
    with on_sqlite(directory):
        fill()
        with watching() as viewers:
            lives = [viewers.watch(url) for url in URLS]
            viewers.rerun()  # answered by cachalot from now on
            for round in range(2):
                for name, write in _writes(round).items():
                    before = [live.body for live in lives]
                    with transaction.atomic():
                        write()
                    found += [(name, live.url) for live in lives if not viewers.is_current(live)]
                    if before == [live.body for live in lives]:
                        found.append((name, "nothing has changed"))
    print(found or "current")
    return 1 if found else 0


def _writes(n: int) -> dict[str, Callable[[], Any]]:
    """What is written, each in a transaction.

    In autocommit mode cachalot marks a table as changed before the statement runs. What runs at
    that mark keeps the old rows, which a plain GET then shows, too (docs/live.md).
    """
    from tests.oracle.project.models import Book, Note, Person, Tag

    return {
        "update": lambda: Book.objects.filter(pk=1).update(title=f"another {n}", kind=1),
        "save": Book(pk=2, title=f"new {n}", kind=1, price=n, room_id=1, author_id=2).save,
        "no key": lambda: Tag.objects.filter(pk=1).update(name=f"t1 {n}"),
        "many-to-many": lambda: Book.objects.get(pk=1).tags.set([n + 3]),
        "create": lambda: Note.objects.create(text=f"new {n}"),
        "joined": lambda: Person.objects.filter(pk=1).update(name=f"another {n}"),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
