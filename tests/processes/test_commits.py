"""A commit of any process is shown by all others: by the bus, for there is no recheck here."""

import json
from contextlib import ExitStack

import psycopg
import pytest

from tests.acceptance.client import Client, connect
from tests.acceptance.servers import Server
from tests.acceptance.test_live import NOTES, first, name, until
from tests.contract.conftest import BROKERS
from tests.postgres import connecting
from tests.processes.conftest import Site, on_one_broker

pytestmark = [pytest.mark.once, pytest.mark.timeout(240)]


def add_by_http(server: Server, text: str) -> None:
    """Write a note through a server's plain HTTP."""
    body = json.dumps({"text": text}).encode()
    page = server.http("POST", NOTES, body, {"Content-Type": "application/json"})
    assert page.status == 201, page


def shows(client: Client, id: object, *texts: str) -> None:
    """Wait until a live request shows some notes. Whoever writes them may have to start first."""
    while not set(texts) <= {note["text"] for note in client.receive_for(id, 90).head["data"]}:
        pass


def create(text: str) -> str:
    return f"from tests.project.models import Note; Note.objects.create(text={text!r})"


def test_processes_beside_wsgi(site: Site) -> None:
    """gunicorn, preloaded and forked, and ``manage.py shell`` write; ``runwebsockets`` shows."""
    sockets, http = site.runwebsockets(), site.serve("gunicorn")
    with connect(sockets, subprotocol=None) as client:
        id, _ = first(client, NOTES)
        for _ in range(3):
            text = name()
            add_by_http(http, text)
            shows(client, id, text)
        text = name()
        site.shell(create(text))
        shows(client, id, text)


@on_one_broker
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_celery(site: Site, pool: str) -> None:
    """Its prefork pool ends a process after each task here, without Python's own exit."""
    sockets = site.runwebsockets()
    with site.celery(pool), connect(sockets, subprotocol=None) as client:
        id, _ = first(client, NOTES)
        text, later = name(), name()
        site.shell(
            "from tests.processes.tasks import add_note\n"
            f"add_note.delay({text!r}); add_note.delay({later!r})"
        )
        shows(client, id, text, later)


@on_one_broker
def test_gevent(site: Site) -> None:
    sockets, http = site.runwebsockets(), site.serve("gunicorn-gevent")
    with connect(sockets, subprotocol=None) as client:
        id, _ = first(client, NOTES)
        text = name()
        add_by_http(http, text)
        shows(client, id, text)


def test_workers_of_one_server(site: Site) -> None:
    server = site.serve("uvicorn-3")
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(server)) for _ in range(6)]
        ids = [first(client, NOTES)[0] for client in clients]
        for _ in range(3):
            text = name()
            add_by_http(server, text)
            for client, id in zip(clients, ids, strict=True):
                shows(client, id, text)


@on_one_broker
def test_end_of_a_process_in_each_way(site: Site) -> None:
    """What a process commits last is shown, too: it ends right after the commit."""
    sockets = site.runwebsockets()
    by_child, by_parent = name(), name()
    code = (
        "import multiprocessing, sys\n"
        f"def work():\n    exec({create(by_child)!r})\n"
        "from django.db import connections; connections.close_all()\n"
        "child = multiprocessing.get_context('fork').Process(target=work)\n"
        f"child.start(); child.join(); {create(by_parent)}; sys.exit(0)"
    )
    with connect(sockets, subprotocol=None) as client:
        id, _ = first(client, NOTES)
        site.shell(code)
        shows(client, id, by_child, by_parent)


@on_one_broker
@pytest.mark.parametrize("is_ignored", [False, True])
def test_cache_key_and_own_key_of_another_process(site: Site, is_ignored: bool) -> None:
    """A shared cache is written elsewhere. If its key is ignored, ``invalidate`` still counts."""
    site.share_cache()
    code = "from django.core.cache import cache; cache.set('forecast', 'rain')"
    if is_ignored:
        site.settings["LIVE_IGNORED_CACHE_KEYS"] = ["forecast"]
        code += "\nfrom wsrequest.live import invalidate; invalidate('forecast')"
    sockets = site.runwebsockets()
    with connect(sockets, subprotocol=None) as client:
        id, before = first(client, "/live/forecast/")
        assert before.head["data"] == "none"
        site.shell(code)
        assert client.receive_for(id).head["data"] == "rain"


@pytest.mark.parametrize("site", [each for each in BROKERS if "log" in each.values], indirect=True)
def test_what_another_program_writes(site: Site) -> None:
    """The write-ahead log has it, whoever wrote it: here a connection that Django never saw."""
    sockets = site.runwebsockets()
    assert site.postgres is not None
    with (
        connect(sockets, subprotocol=None) as client,
        psycopg.connect(**connecting(site.postgres), autocommit=True) as connection,
    ):
        id, _ = first(client, NOTES)
        text = name()
        connection.execute("INSERT INTO project_note (text) VALUES (%s)", [text])
        shows(client, id, text)
        connection.execute("TRUNCATE project_note CASCADE")
        assert client.receive_for(id, 90).head["data"] == []


def test_rolled_back_write_of_another_process_shows_nothing(site: Site) -> None:
    sockets = site.runwebsockets()
    with connect(sockets, subprotocol=None) as client:
        id, _ = first(client, NOTES)
        text, later = name(), name()
        site.shell(
            "from django.db import transaction\n"
            "from tests.project.models import Note\n"
            "with transaction.atomic():\n"
            f"    Note.objects.create(text={text!r})\n"
            "    transaction.set_rollback(True)\n"
            f"Note.objects.create(text={later!r})"
        )
        frame = until(client, id, lambda frame: later in json.dumps(frame.head["data"]))
        assert text not in json.dumps(frame.head["data"])
