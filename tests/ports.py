"""Ports for the servers that tests start."""

import random
import socket

__all__ = ["free_port"]

# Below the ports that systems give to outgoing connections and to those who ask for any (32768 and
# up on Linux). A server may start seconds after its port was chosen, or start again at the same
# one, and until then nothing else must get it.
_PORTS = range(12_000, 32_000)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on, and that no connection gets by chance."""
    while True:
        port = random.SystemRandom().choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue  # taken
            return port
