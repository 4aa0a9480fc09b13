"""Erases snippets by age, for a cron job."""

import argparse
from datetime import timedelta

from django.core.management.base import BaseCommand
from django.utils import timezone

from snippets.models import Snippet

MOST_DAYS = 36_500  # a century; far more would leave the range of dates


def days(text: str) -> int:
    """Return a number of days from the command line."""
    number = int(text)  # argparse turns ValueError into its own message
    if not 0 <= number <= MOST_DAYS:
        raise argparse.ArgumentTypeError(f"must be from 0 to {MOST_DAYS}")
    return number


class Command(BaseCommand):
    """``erase_old_snippets --days N``: everything created more than N days ago goes."""

    help = "Erases the snippets that were created more than a number of days ago."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take ``--days``; there is no default, since what it erases is gone."""
        parser.add_argument("--days", type=days, required=True, help="age in days; 0 erases all")

    def handle(self, *args: object, **options: int) -> None:
        """Erase, and say how many."""
        limit = timezone.now() - timedelta(days=options["days"])
        count, _ = Snippet.objects.filter(created__lt=limit).delete()
        self.stdout.write(f"{count} snippet{'' if count == 1 else 's'} erased")
