"""Fills an empty demo with users and snippets."""

from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from snippets.models import Snippet
from snippets.samples import SAMPLES


class Command(BaseCommand):
    """``seed``: what is there already stays as it is, so that it can run at every start."""

    help = "Creates the users demo/demo and admin/admin and a dozen snippets, unless they exist."

    @transaction.atomic
    def handle(self, *args: object, **options: object) -> None:
        """Create what is missing, and say how much that was."""
        if not settings.DEBUG:
            raise CommandError("seed makes accounts with known passwords: it needs DEBUG")
        demo = self._user("demo")
        self._user("admin", is_staff=True, is_superuser=True)
        now = timezone.now()
        created_count = 0
        for hours, sample in enumerate(SAMPLES):
            owner = demo if sample.by_demo else None
            # Not get_or_create: a visitor may have created a second one of this title.
            if Snippet.objects.filter(title=sample.title, owner=owner).exists():
                continue
            Snippet.objects.create(
                title=sample.title,
                owner=owner,
                code=sample.code,
                language=sample.language,
                style=sample.style,
                linenos=len(sample.code.splitlines()) > 10,
                created=now - timedelta(hours=hours),
            )
            created_count += 1
        self.stdout.write(f"{created_count} of {len(SAMPLES)} snippets created, the rest was there")

    def _user(self, username: str, **flags: bool) -> User:
        """Return the user, made with their name as password if they did not exist."""
        user, is_new = User.objects.get_or_create(username=username, defaults=flags)
        if is_new:
            user.set_password(username)
            user.save(update_fields=["password"])
        return user
