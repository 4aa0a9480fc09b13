"""Redis or Valkey as a broker, by Pub/Sub.

One server, Sentinel and Cluster work alike. Messages pass through it, and it stores nothing but the
number of the last one, unless it also keeps the newest ones (``redis_history``).
"""

import os
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

import redis
from redis import cluster, sentinel
from redis.backoff import NoBackoff
from redis.retry import Retry

from wsrequest.bus.engine import CALL_SECONDS, Keeping, Kept, Sequenced, Unavailable
from wsrequest.bus.redis_history import History, stream_key

__all__ = ["RedisEngine"]

# Of the longest call. A connection makes several in one, such as AUTH and SELECT.
_TIMEOUT_SECONDS = CALL_SECONDS / 2

_BATCH, _BATCH_BYTES = 100, 2**22  # that one call takes

# Numbers the messages and publishes them in one step, so that all receivers get them in the order
# of their numbers. A number is a time in microseconds, or one more than the last if that is higher.
# The key has the epoch and the last number. If there is no key, the sender names the epoch. Redis
# may refuse to keep the key, as when its memory is full. Messages pass all the same.
#
# A process that is not to keep messages names the stream of those that do, if there are any by
# mistake. What they have kept lacks its messages, so it is deleted.
_NUMBERING = """
local time, kept, epoch, last = redis.call('TIME'), redis.call('GET', KEYS[1]), nil, 0
if kept then epoch, last = string.match(kept, '^(%w+):(%d+)$') end
local number = math.max(time[1] * 1000000 + time[2], tonumber(last or 0))
epoch = epoch or ARGV[2]
local done = redis.pcall('SET', KEYS[1], epoch .. ':' .. string.format('%.0f', number + #ARGV))
if done.err and not kept then epoch = '0' end
for index = 3, #ARGV do
    number = number + 1
    local head = epoch .. ':' .. string.format('%.0f', number) .. ':'
    redis.call('PUBLISH', ARGV[1], head .. ARGV[index])
end
if KEYS[2] then redis.call('DEL', KEYS[2]) end
"""
_EPOCH_BYTES, _NUMBER_DIGITS = 16, 16  # at most

# redis-py has no types for them.
_Sentinel: Any = sentinel.Sentinel
_ClusterNode: Any = cluster.ClusterNode


class RedisEngine:
    """An ``Engine`` for Redis.

    Args:
        address: names the server in logs.
        connect: returns a client. It gets the options that every client must have.

    Attributes:
        is_sequencing: all messages arrive with their numbers.
        keeping: how many messages it keeps, or None.
    """

    is_sequencing = True
    keeping: Keeping | None = None
    max_message_bytes = 2**20  # far below what Redis takes. Larger messages hold others up

    def __init__(self, address: str, connect: Callable[..., Any]) -> None:
        self.address, self._connect = address, connect

    @classmethod
    def of_url(cls, address: str, url: str) -> "RedisEngine":
        """Return the engine of one server.

        Args:
            address: names it in logs.
            url: as redis-py takes it: ``redis://``, ``rediss://`` or ``unix://``.

        Raises:
            ValueError: it is not a URL, or has an option that redis-py does not know.
        """
        try:
            redis.Redis.from_url(url).connection_pool.make_connection()  # connects to nothing
        except TypeError as error:
            raise ValueError(str(error)) from error

        def connect(**options: Any) -> Any:
            if url.startswith("unix:"):
                del options["socket_keepalive"]  # which only TCP has
            return redis.Redis.from_url(url, **options)

        return cls(address, connect)

    @classmethod
    def of_sentinels(
        cls, address: str, hosts: Sequence[tuple[str, int]], service: str, **credentials: Any
    ) -> "RedisEngine":
        """Return the engine of a server that sentinels name.

        Args:
            address: names it in logs.
            hosts: the sentinels.
            service: the name by which they know the server.
            credentials: ``username``, ``password``, ``db`` and ``ssl`` of the server.
        """

        def connect(**options: Any) -> Any:
            asking = {name: options[name] for name in ("socket_timeout", "socket_connect_timeout")}
            found = _Sentinel(list(hosts), sentinel_kwargs=asking, **options, **credentials)
            return found.master_for(service)

        return cls(address, connect)

    @classmethod
    def of_cluster(
        cls, address: str, hosts: Sequence[tuple[str, int]], **credentials: Any
    ) -> "RedisEngine":
        """Return the engine of a cluster. Every node passes messages on to all others.

        Args:
            address: names it in logs.
            hosts: some of its nodes.
            credentials: ``username``, ``password`` and ``ssl``.
        """

        def connect(**options: Any) -> Any:
            nodes = [_ClusterNode(host, port) for host, port in hosts]
            return redis.RedisCluster(startup_nodes=nodes, **options, **credentials)

        return cls(address, connect)

    def connect_sender(self) -> "_Sender":
        """See ``Engine.connect_sender``."""
        return _Sender(self._client(), self.keeping)

    def connect_receiver(self, channels: Sequence[str]) -> "_Receiver":
        """See ``Engine.connect_receiver``."""
        client = self._client()
        try:
            return _Receiver(client, channels, self.keeping)
        except BaseException:
            _close(client)
            raise

    def _client(self) -> Any:
        try:
            return self._connect(
                socket_timeout=_TIMEOUT_SECONDS,
                socket_connect_timeout=_TIMEOUT_SECONDS,
                socket_keepalive=True,
                retry=Retry(NoBackoff(), 0),  # BrokerBus tries again
                protocol=2,
            )
        except (redis.RedisError, OSError) as error:
            raise Unavailable(str(error)) from error


class _Sender:
    def __init__(self, client: Any, keeping: Keeping | None) -> None:
        self._client = client
        self._publish = client.register_script(_NUMBERING)
        self._epoch = os.urandom(6).hex()  # for a server without one
        self._history = _history(client, keeping)

    def send(self, channel: str, messages: Sequence[bytes]) -> None:
        """See ``Sender.send``."""
        try:
            # All channels share one numbering, and in a cluster one node.
            keys = ["wsrequest:number"] + ([] if self._history else [stream_key(channel)])
            self._publish(keys=keys, args=[channel, self._epoch, *messages])
        except (redis.RedisError, OSError) as error:
            raise Unavailable(str(error)) from error

    def send_and_keep(
        self, channel: str, messages: Sequence[bytes], are_kept: Sequence[bool], *, is_gap: bool
    ) -> None:
        """See ``KeepingSender.send_and_keep``."""
        assert self._history is not None
        if not (any(are_kept) or is_gap):
            self.send(channel, messages)
            return
        try:
            self._history.send(channel, messages, are_kept, is_gap=is_gap)
        except (redis.RedisError, OSError) as error:
            raise Unavailable(str(error)) from error

    def close(self) -> None:
        """See ``Sender.close``."""
        _close(self._client)


class _Receiver:
    def __init__(self, client: Any, channels: Sequence[str], keeping: Keeping | None) -> None:
        self._client = client
        self._history = _history(client, keeping)
        self._error: Unavailable | None = None
        try:
            self._pubsub = client.pubsub()
            self._pubsub.subscribe(*channels)
            missing, deadline = set(channels), monotonic() + _TIMEOUT_SECONDS
            while missing:
                answer = self._pubsub.get_message(timeout=deadline - monotonic())
                if answer is None:
                    raise Unavailable("it does not confirm the subscription")
                if answer["type"] == "subscribe":
                    missing.discard(answer["channel"].decode())
        except (redis.RedisError, OSError) as error:
            raise Unavailable(str(error)) from error

    def receive(self, seconds: float) -> Sequence[bytes | Sequenced]:
        """See ``Receiver.receive``."""
        if self._error is not None:
            raise self._error
        found: list[bytes | Sequenced] = []
        try:
            count = 0
            while len(found) < _BATCH and count <= _BATCH_BYTES:
                answer = self._pubsub.get_message(timeout=0 if found else seconds)
                if answer is None:
                    break
                if answer["type"] == "message":
                    found.append(_numbered(answer["data"]))
                    count += len(answer["data"])
        except (redis.RedisError, OSError) as error:
            # redis-py has subscribed again already, so only this error says that messages may be
            # missing.
            self._error = Unavailable(str(error))
            if not found:
                raise self._error from error
        return found

    def kept(self, channel: str, since: tuple[str, int] | None) -> Kept:
        """See ``KeepingReceiver.kept``."""
        assert self._history is not None
        try:
            return self._history.read(channel, since)
        except (redis.RedisError, OSError) as error:
            raise Unavailable(str(error)) from error

    def close(self) -> None:
        """See ``Receiver.close``."""
        _close(self._pubsub)
        _close(self._client)


def _history(client: Any, keeping: Keeping | None) -> History | None:
    return History(client, keeping, os.urandom(4).hex()) if keeping else None


def _numbered(data: bytes) -> bytes | Sequenced:
    epoch, _, rest = data.partition(b":")
    digits, _, content = rest.partition(b":")
    is_epoch = epoch.isalnum() and len(epoch) <= _EPOCH_BYTES
    if is_epoch and digits.isdigit() and len(digits) <= _NUMBER_DIGITS:
        return Sequenced(epoch.decode(), int(digits), content)
    return data  # a stranger's


def _close(connection: Any) -> None:
    try:
        connection.close()
    except Exception:  # it was broken already
        pass
