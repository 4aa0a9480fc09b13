"""PostgreSQL's write-ahead log as a bus: what programs commit that know nothing of the bus."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.acceptance.servers import wait_until
from tests.contract.conftest import URLS, log_url, make_bus
from tests.contract.receiver import LOST, NUMBERS, Receiver
from tests.ports import free_port
from tests.postgres import Params, connecting, made_cluster
from wsrequest.bus.base import Bus
from wsrequest.bus.broker import BrokerBus
from wsrequest.bus.codec import CHANGES
from wsrequest.types import RemoteRerun

pytestmark = pytest.mark.needs("postgresql")

TABLES = """
    DROP TABLE IF EXISTS note, room, audit, parted, wide, loose;
    CREATE TABLE room (id integer PRIMARY KEY, name varchar(50));
    CREATE TABLE note (id integer PRIMARY KEY, text text, key uuid, is_done boolean, price numeric,
        room_id integer REFERENCES room ON DELETE CASCADE);
    CREATE TABLE audit (id serial PRIMARY KEY, text text);
    CREATE TABLE "Wide" (id integer PRIMARY KEY, body text, name text);
    ALTER TABLE "Wide" ALTER COLUMN body SET STORAGE EXTERNAL;
    ALTER TABLE "Wide" RENAME TO wide;
    CREATE UNLOGGED TABLE loose (id integer PRIMARY KEY);
    CREATE OR REPLACE FUNCTION audited() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO audit (text) VALUES (NEW.name); RETURN NEW; END $$;
    CREATE TRIGGER audited AFTER INSERT ON room FOR EACH ROW EXECUTE FUNCTION audited();
"""
KEY = "7d0f5d1c-4a3e-4b57-8a55-0d4c2e2f9a11"


@pytest.fixture
def psql(postgres_log_params: Params) -> Iterator[Callable[..., Any]]:
    """Runs statements in autocommit, as psql does."""
    with psycopg.connect(**connecting(postgres_log_params), autocommit=True) as connection:
        connection.execute("SET synchronous_commit = local")
        connection.execute(TABLES)
        yield connection.execute


@pytest.fixture
def bus(request: pytest.FixtureRequest, psql: Any) -> Iterator[BrokerBus]:
    found = make_bus(URLS["log"](request))
    assert isinstance(found, BrokerBus)
    yield found
    found.close()


class Commits(Receiver):
    """Receives commits, from the moment that it is connected."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus, CHANGES)
        self.take_turns_until(lambda: LOST in self.came)
        self.came.clear()

    def after(self, write: Callable[[], object]) -> list[dict[str | None, Any]]:
        """Return what the commits of a write say: tables with rows. Nothing else may come."""
        write()
        self.bus_is_current()
        found = [
            {
                c.table: None if c.rows is None else [dict(row) for row in c.rows]
                for c in each.changes
            }
            for each in self.messages
        ]
        assert LOST not in self.came
        self.came.clear()
        return found

    def bus_is_current(self) -> None:
        done = threading.Event()
        if not self.subscription_bus.when_current(lambda _: self.posted.put(done.set)):
            self.take_turns_until(done.is_set)

    subscription_bus: BrokerBus


@pytest.fixture
def commits(bus: BrokerBus) -> Commits:
    found = Commits(bus)
    found.subscription_bus = bus
    return found


def test_commits_of_any_program_come_with_their_rows(psql: Any, commits: Commits) -> None:
    assert commits.after(lambda: psql("INSERT INTO room VALUES (1, 'kitchen')")) == [
        {"room": [{"id": 1, "name": "kitchen"}], "audit": [{"id": 1, "text": "kitchen"}]}
    ]
    note = f"INSERT INTO note VALUES (1, 'a', '{KEY}', true, 1.50, 1)"
    ((found,),) = [each["note"] for each in commits.after(lambda: psql(note))]
    assert str(found.pop("key")) == KEY
    assert found == {"id": 1, "text": "a", "is_done": True, "room_id": 1}  # no price


def test_update_names_the_key_only_since_old_values_are_unknown(
    psql: Any, commits: Commits
) -> None:
    psql("INSERT INTO note VALUES (1, 'a')")
    psql("INSERT INTO note VALUES (2, 'a')")
    commits.after(lambda: None)
    assert commits.after(lambda: psql("UPDATE note SET text = 'b' WHERE id = 1")) == [
        {"note": [{"id": 1}]}
    ]
    (moved,) = commits.after(lambda: psql("UPDATE note SET id = 3 WHERE id = 1"))
    assert [row["id"] for row in moved["note"]] == [1, 3]
    assert set(moved["note"][0]) == {"id"}
    assert commits.after(lambda: psql("DELETE FROM note WHERE id = 2")) == [{"note": [{"id": 2}]}]


def test_full_replica_identity_tells_old_values(psql: Any, commits: Commits) -> None:
    psql("ALTER TABLE note REPLICA IDENTITY FULL")
    psql("INSERT INTO note (id, text) VALUES (1, 'a')")
    commits.after(lambda: None)
    ((old, new),) = [
        each["note"] for each in commits.after(lambda: psql("UPDATE note SET text = 'b'"))
    ]
    assert (old["text"], new["text"]) == ("a", "b")
    assert old["room_id"] is None
    ((row,),) = [each["note"] for each in commits.after(lambda: psql("DELETE FROM note"))]
    assert row["text"] == "b"


def test_value_that_was_not_written_again_is_unknown(psql: Any, commits: Commits) -> None:
    psql("INSERT INTO wide VALUES (1, repeat('x', 10000), 'a')")
    commits.after(lambda: None)
    (moved,) = commits.after(lambda: psql("UPDATE wide SET id = 2"))
    assert moved == {"wide": [{"id": 1}, {"id": 2, "name": "a"}]}


def test_copy_truncate_and_cascades(psql: Any, commits: Commits) -> None:
    def copy() -> None:
        connection = psql("SELECT 1").connection
        with connection.cursor().copy("COPY room FROM STDIN") as copying:
            for number in range(3):
                copying.write_row((number, "copied"))

    (copied,) = commits.after(copy)
    assert [row["id"] for row in copied["room"]] == [0, 1, 2]
    assert len(copied["audit"]) == 3
    psql("INSERT INTO note (id, room_id) VALUES (1, 2)")
    commits.after(lambda: None)
    (cascade,) = commits.after(lambda: psql("DELETE FROM room WHERE id = 2"))
    assert cascade == {"room": [{"id": 2}], "note": [{"id": 1}]}
    assert commits.after(lambda: psql("TRUNCATE room CASCADE")) == [{"room": None, "note": None}]


def test_large_transaction_is_any_row(psql: Any, commits: Commits) -> None:
    fill = "INSERT INTO audit (text) SELECT 'x' FROM generate_series(1, 20000)"
    assert commits.after(lambda: psql(fill)) == [{"audit": None}]


def test_only_what_was_committed_comes(psql: Any, commits: Commits) -> None:
    def write() -> None:
        psql("BEGIN")
        psql("INSERT INTO audit (id, text) VALUES (100, 'kept')")
        psql("SAVEPOINT a")
        psql("INSERT INTO audit (id, text) VALUES (101, 'undone')")
        psql("ROLLBACK TO a")
        psql("COMMIT")
        psql("BEGIN")
        psql("INSERT INTO room VALUES (1, 'undone')")
        psql("ROLLBACK")

    assert commits.after(write) == [{"audit": [{"id": 100, "text": "kept"}]}]


def test_unlogged_table_is_not_in_the_log(psql: Any, commits: Commits) -> None:
    assert commits.after(lambda: psql("INSERT INTO loose VALUES (1)")) == []


WRITER = """
import os, signal, sys, psycopg
connection = psycopg.connect(sys.argv[1])
connection.execute("INSERT INTO audit (id, text) VALUES (7, 'killed')")
connection.commit()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_commit_of_a_writer_that_was_killed_after_it(
    commits: Commits, postgres_log_params: Params
) -> None:
    conninfo = psycopg.conninfo.make_conninfo(**connecting(postgres_log_params))

    def write() -> None:
        done = subprocess.run([sys.executable, "-c", WRITER, conninfo], timeout=60)
        assert done.returncode == -signal.SIGKILL

    assert commits.after(write) == [{"audit": [{"id": 7, "text": "killed"}]}]


def test_commit_comes_only_when_others_see_it(
    psql: Any, commits: Commits, postgres_log_params: Params
) -> None:
    """A commit that waits for its standby is in the log, and no snapshot shows it."""
    psql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    psql("SELECT pg_reload_conf()")

    def commit() -> None:
        with psycopg.connect(**connecting(postgres_log_params)) as connection:
            connection.execute("SET synchronous_commit = on")
            connection.execute("INSERT INTO audit (id, text) VALUES (8, 'waits')")

    waiting = threading.Thread(target=commit)
    try:
        waiting.start()
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        wait_until(lambda: psql(query).fetchone()[0])
        assert commits.after(lambda: psql("INSERT INTO room VALUES (1, 'seen')")) == [
            {"room": [{"id": 1, "name": "seen"}], "audit": [{"id": 1, "text": "seen"}]}
        ]
        assert psql("SELECT count(*) FROM audit").fetchone() == (1,)
    finally:
        psql("ALTER SYSTEM RESET synchronous_standby_names")
        psql("SELECT pg_reload_conf()")
        waiting.join()
    commits.take_until_came(1)
    assert commits.messages[0].changes[0].rows == ({"id": 8, "text": "waits"},)


def test_origin_names_the_run_here_and_a_rerun_elsewhere(
    psql: Any, bus: BrokerBus, commits: Commits, request: pytest.FixtureRequest
) -> None:
    class Rerun:
        is_rerun, query, feedback_runs = True, None, 3

    run, stranger = Rerun(), make_bus(URLS["log"](request), b"another project")
    other = make_bus(URLS["log"](request))
    assert isinstance(stranger, BrokerBus)
    try:
        elsewhere = Commits(other)

        def write(origin: tuple[str, bytes] | None) -> None:
            psql("BEGIN")
            psql("INSERT INTO audit (text) VALUES ('a')")
            psql("SELECT pg_logical_emit_message(true, %s::text, %s::bytea)", origin)
            psql("COMMIT")

        write(bus.origin_of(run))
        write(stranger.origin_of(run))
        commits.take_until_came(2)
        elsewhere.take_until_came(2)
        assert [commit.run for commit in commits.messages] == [run, None]
        (rerun, nobody) = [commit.run for commit in elsewhere.messages]
        assert isinstance(rerun, RemoteRerun)
        assert (rerun.feedback_runs, nobody) == (3, None)
        assert bus.origin_of(object()) is None
    finally:
        other.close()
        stranger.close()


def test_open_transaction_delays_the_slot_and_the_process_says_so(
    psql: Any, postgres_log_params: Params, request: pytest.FixtureRequest, caplog: Any
) -> None:
    with psycopg.connect(**connecting(postgres_log_params)) as holder:
        holder.execute("INSERT INTO audit (text) VALUES ('open')")
        bus = make_bus(URLS["log"](request))
        try:
            states: list[bool] = []
            receiver = Receiver(bus)
            bus.subscribe(
                NUMBERS,
                lambda *_: None,
                lambda: None,
                post=receiver.posted.put,
                connected=states.append,
            )
            receiver.take_turns_until(lambda: states == [False])
            assert f"processes {holder.info.backend_pid}" in caplog.text
            assert len(_slots(psql)) == 1  # each attempt goes on with it
            holder.commit()
            receiver.take_turns_until(lambda: states == [False, True])
            assert LOST in receiver.came
        finally:
            bus.close()


def _slots(psql: Any) -> list[Any]:
    found: list[Any] = psql("SELECT slot_name, active_pid FROM pg_replication_slots").fetchall()
    return found


def test_broken_stream_is_a_loss_and_leaves_no_slot(psql: Any, commits: Commits) -> None:
    ((_, pid),) = _slots(psql)
    psql("SELECT pg_terminate_backend(%s)", [pid])
    commits.take_turns_until(lambda: LOST in commits.came)
    commits.came.clear()
    assert commits.after(lambda: psql("INSERT INTO audit (id, text) VALUES (9, 'after')")) == [
        {"audit": [{"id": 9, "text": "after"}]}
    ]
    assert len(_slots(psql)) == 1
    commits.subscription_bus.close()
    wait_until(lambda: not _slots(psql))


LISTENER = """
import sys, threading
from tests.acceptance.servers import wait_until
from tests.contract.conftest import make_bus
from tests.contract.receiver import LOST, Receiver
receiver = Receiver(make_bus(sys.argv[1]))
receiver.take_turns_until(lambda: LOST in receiver.came)
print("connected", flush=True)
threading.Event().wait(60)
"""


def test_process_that_is_killed_leaves_no_slot(psql: Any, postgres_log_params: Params) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LISTENER, log_url(postgres_log_params)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((".", "src"))},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"connected\n"
        assert len(_slots(psql)) == 1
        process.kill()
    wait_until(lambda: not _slots(psql))


def test_dropped_publication_cuts_the_process_off_until_it_is_back(
    psql: Any, commits: Commits, caplog: pytest.LogCaptureFixture
) -> None:
    states: list[bool] = []
    commits.subscription_bus.subscribe(
        NUMBERS,
        lambda *_: None,
        lambda: None,
        post=commits.posted.put,
        connected=states.append,
    )
    psql("DROP PUBLICATION wsrequest")
    try:
        psql("INSERT INTO audit (text) VALUES ('unheard')")
        commits.take_turns_until(lambda: states == [False])
        assert 'Make it with "manage.py wsrequest_publication"' in caplog.text
    finally:
        psql("CREATE PUBLICATION wsrequest FOR ALL TABLES")
    commits.take_turns_until(lambda: states == [False, True])
    assert LOST in commits.came


def test_restarted_server_is_a_loss(caplog: pytest.LogCaptureFixture) -> None:
    with made_cluster() as cluster:
        port = free_port()
        with cluster.serve(port) as params:
            with psycopg.connect(**connecting(params), autocommit=True) as connection:
                connection.execute("CREATE TABLE audit (id integer PRIMARY KEY)")
                connection.execute("CREATE PUBLICATION wsrequest FOR ALL TABLES")
            bus = make_bus(log_url(params))
            receiver = Receiver(bus, CHANGES)
            receiver.take_turns_until(lambda: LOST in receiver.came)
            receiver.came.clear()
        try:
            with (
                cluster.serve(port),
                psycopg.connect(**connecting(params), autocommit=True) as connection,
            ):
                receiver.take_turns_until(lambda: LOST in receiver.came)
                receiver.came.clear()
                connection.execute("SET synchronous_commit = local")
                connection.execute("INSERT INTO audit VALUES (1)")
                receiver.take_until_came(1)
                (commit,) = receiver.messages
                assert commit.changes[0].rows == ({"id": 1},)
        finally:
            bus.close()


def test_slot_that_the_server_invalidates_is_a_loss(psql: Any, commits: Commits) -> None:
    """A process that was frozen for long: its slot held more of the log than it may."""
    ((slot, pid),) = _slots(psql)
    psql("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
    psql("SELECT pg_reload_conf()")
    try:
        os.kill(pid, signal.SIGSTOP)  # its sender, which stands for the process
        try:
            for _ in range(3):
                psql("SELECT pg_logical_emit_message(true, 'filler', repeat('x', 1000000))")
                psql("SELECT pg_switch_wal()")
        finally:
            os.kill(pid, signal.SIGCONT)
        psql("CHECKPOINT")
        commits.take_turns_until(lambda: LOST in commits.came)
    finally:
        psql("ALTER SYSTEM RESET max_slot_wal_keep_size")
        psql("SELECT pg_reload_conf()")
    commits.came.clear()
    found = commits.after(lambda: psql("INSERT INTO audit (id, text) VALUES (9, 'after')"))
    assert found == [{"audit": [{"id": 9, "text": "after"}]}]
    assert slot not in [name for name, _ in _slots(psql)]


def test_messages_of_other_roles_cost_a_warning_and_no_connection(
    psql: Any, commits: Commits, caplog: pytest.LogCaptureFixture
) -> None:
    """Each role of the database can emit messages, and under any prefix."""
    prefix = commits.subscription_bus._channel
    emit = f"SELECT pg_logical_emit_message(%s, '{prefix}', repeat('x', 2000000))"
    emit_many = emit + " FROM generate_series(1, 20)"  # 40 MB in one transaction

    def write() -> None:
        psql(emit, [False])
        psql(emit_many, [True])
        psql("INSERT INTO note (id) VALUES (1)")

    (found,) = commits.after(write)
    assert [row["id"] for row in found["note"]] == [1]
    (warning,) = caplog.messages
    assert "are not signed" in warning
