"""``manage.py wsrequest_relay``: reads PostgreSQL's log for all processes of the project."""

import signal
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError

from wsrequest.bus.broker import BrokerBus
from wsrequest.bus.open import open_bus, redacted
from wsrequest.bus.relay import Relay
from wsrequest.conf import conf

__all__ = ["Command"]


class Command(BaseCommand):
    """``manage.py wsrequest_relay``."""

    help = (
        "Reads the write-ahead logs that WSREQUEST_RELAYED_LOG names, and sends each commit over "
        "WSREQUEST_BUS, until a signal comes. Run it beside the servers. With a second one "
        "elsewhere, the project needs no pause if one ends."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Relay until SIGINT or SIGTERM."""
        app: Any = apps.get_app_config("wsrequest")
        bus = app.live.bus
        if not conf.RELAYED_LOG or not isinstance(bus, BrokerBus):
            raise CommandError(
                'Set WSREQUEST_RELAYED_LOG = "postgresql+log://default", and WSREQUEST_BUS to '
                "Redis or NATS, in all processes (docs/processes.md). manage.py check says what is "
                "wrong with them."
            )
        log = open_bus(conf.RELAYED_LOG, conf.bus_secrets, conf.database)
        relay = Relay(log, bus)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: relay.stop())
        self.stdout.write(f"Relaying {redacted(conf.RELAYED_LOG)} over {redacted(conf.BUS)}")
        self.stdout.flush()
        relay.run()
        log.close()
        bus.close()
