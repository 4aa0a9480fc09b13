"""SIGTERM that comes while ``runwebsockets`` starts ends it, whatever code it interrupts."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import signal, socket
import uvicorn
from wsrequest.management.commands.runwebsockets import _serve

class Finalized:
    def __del__(self):  # Python drops what is raised here, as in a callback of a weak reference
        signal.raise_signal(signal.SIGTERM)

class Config(uvicorn.Config):
    def get_loop_factory(self):
        Finalized()
        return super().get_loop_factory()

async def application(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})

listener = socket.create_server(("127.0.0.1", 0))
_serve(Config(application, log_config=None), listener)
"""


def test_signal_during_the_start_is_not_lost() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stderr
    assert "Exception ignored" in done.stderr  # the case was tried
