"""``manage.py wsrequest_publication``: makes and completes the publication of the log."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connections, transaction

from wsrequest.bus.pgoutput import PUBLICATION
from wsrequest.conf import conf
from wsrequest.live.tracking.publication import read_publication, statements

__all__ = ["Command"]


class Command(BaseCommand):
    """``manage.py wsrequest_publication``."""

    help = (
        f'Makes the publication "{PUBLICATION}" in PostgreSQL, which WSREQUEST_BUS = '
        '"postgresql+log://default" reads, and adds the tables of the project that it lacks. '
        "The role of the database must own them. migrate adds new tables by itself."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--database",
            default=None,
            metavar="ALIAS",
            help='Which database. The default are those whose logs are read, or "default".',
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Only print the statements, and run none."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the statements, and print them."""
        named = [options["database"]] if options["database"] else conf.logged_databases
        for alias in named or ["default"]:
            if len(named) > 1:
                self.stdout.write(f"-- {alias}")
            self._complete(alias, is_dry=options["dry_run"])

    def _complete(self, alias: str, *, is_dry: bool) -> None:
        if alias not in connections:
            raise CommandError(f"{alias!r} is not an alias in DATABASES.")
        connection = connections[alias]
        if connection.vendor != "postgresql":
            raise CommandError(f"The database {alias!r} is not PostgreSQL ({connection.vendor}).")
        try:
            state = read_publication(connection, conf.LIVE_IGNORED_TABLES)
            needed = statements(state)
            for statement in needed:
                self.stdout.write(f"{statement};")
            if not is_dry and needed:
                with transaction.atomic(using=alias), connection.cursor() as cursor:
                    for statement in needed:
                        cursor.execute(statement)
        except DatabaseError as error:
            raise CommandError(
                f"{alias!r}: {str(error).strip()}. The role needs to own the tables, and the right "
                "CREATE on the database. A superuser can run the statements of --dry-run instead."
            ) from error
        if not needed:
            self.stdout.write(f'The publication "{PUBLICATION}" has all tables of the project.')
        for table in state.keyless:
            self.stderr.write(
                f"{table} is left out, because it has no primary key. Only writes of processes "
                "with these settings are noticed there. To add it, run: ALTER TABLE "
                f"{table} REPLICA IDENTITY FULL"
            )
        for table in state.filtered:
            self.stderr.write(f"{table} has a row filter in the publication. Remove it.")
