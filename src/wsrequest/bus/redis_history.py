"""The newest messages of a channel in Redis or Valkey, as a stream.

The id of an entry is the number of the message. An entry names the one before it, also when that is
gone. So a reader sees from which number on nothing is missing, and that need not be kept elsewhere,
where it could be lost alone.

A server that starts again may have lost its last entries, and so may a replica that takes its
place. So the epoch of the numbers ends with the id of the server's run. With another run, all
entries are deleted, and the numbers get another epoch.
"""

from collections.abc import Sequence
from typing import Any

from wsrequest.bus.engine import Keeping, Kept, Sequenced, Unavailable

__all__ = ["History", "stream_key"]

_CHUNK = 250  # entries that one call reads. Large ones take long
_ATTEMPTS = 3  # to read entries, if some are deleted at the same time

# What both scripts begin with. It sets the epoch, and the last number so far.
_BEGIN = """
local time, kept = redis.call('TIME'), redis.call('GET', KEYS[1])
local now = time[1] * 1000000 + time[2]
local run = string.sub(string.match(redis.call('INFO', 'server'), 'run_id:(%w+)'), 1, 8)
local epoch, last
if kept then epoch, last = string.match(kept, '^(%w+):(%d+)$') end
if not epoch or string.sub(epoch, -8) ~= run or #epoch ~= 16 then
    epoch = ARGV[1] .. run
    redis.call('DEL', KEYS[2])
end
local number = math.max(now, tonumber(last or 0))
local function text(value) return string.format('%.0f', value) end
local function save()
    return not redis.pcall('SET', KEYS[1], epoch .. ':' .. text(number)).err
end
local function add(before, bytes, message)
    local done = redis.pcall(
        'XADD', KEYS[2], text(number) .. '-0', 'p', before, 'b', text(bytes), 'm', message)
    return not (type(done) == 'table' and done.err)
end
"""

# Numbers messages, publishes them, and adds those that are kept. If an entry cannot be added, as
# when the memory is full, the stream is deleted, so that it never lacks one in its middle.
_SEND = (
    _BEGIN
    + """
local channel, are_kept, is_gap = ARGV[2], ARGV[3], ARGV[4] == '1'
local max_bytes, max_count, oldest = tonumber(ARGV[5]), tonumber(ARGV[6]), now - tonumber(ARGV[7])
local first = 8
if is_gap then
    redis.call('DEL', KEYS[2])
    number = number + 1
    add(text(number), 0, '')
end
local entry = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
local before, bytes, is_whole = nil, 0, true
if entry then
    before, bytes = string.match(entry[1], '^%d+'), tonumber(entry[2][4])
end
for index = first, #ARGV do
    number = number + 1
    local message = ARGV[index]
    redis.call('PUBLISH', channel, epoch .. ':' .. text(number) .. ':' .. message)
    if is_whole and string.sub(are_kept, index - first + 1, index - first + 1) == '1' then
        bytes = bytes + #message
        is_whole = add(before or text(number - 1), bytes, message)
        before = text(number)
    end
end
if not is_whole then redis.call('DEL', KEYS[2]) end
save()
local count = redis.call('XLEN', KEYS[2])
while count > 1 do
    local found = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 2)
    local head = found[1]
    local held = bytes - tonumber(head[2][4]) + #head[2][6]
    local id = tonumber(string.match(head[1], '^%d+'))
    if count <= max_count and held <= max_bytes and id >= oldest then break end
    redis.call('XTRIM', KEYS[2], 'MINID', found[2][1])
    count = count - 1
end
"""
)

# Returns the epoch, the time, and entries. If there is no stream, one begins, with an entry that
# says so: from now on nothing is missing.
_READ = (
    _BEGIN
    + """
if redis.call('EXISTS', KEYS[2]) == 0 then
    if not save() or not add(text(number), 0, '') then return {epoch, text(number)} end
end
local since = '-'
if ARGV[2] == epoch then since = '(' .. ARGV[3] .. '-0' end
return {epoch, text(now), redis.call('XRANGE', KEYS[2], since, '+', 'COUNT', ARGV[4])}
"""
)


def stream_key(channel: str) -> str:
    """Return the key of a channel's stream. A cluster keeps it where it keeps the number."""
    return f"{{wsrequest:number}}:{channel}"


class History:
    """Sends messages that are kept, and reads them. Used by one thread.

    Args:
        client: of redis-py.
        keeping: how much is kept.
        fresh: 8 hexadecimal digits, for an epoch that begins here.
    """

    def __init__(self, client: Any, keeping: Keeping, fresh: str) -> None:
        self._keeping, self._fresh = keeping, fresh
        self._send, self._read = client.register_script(_SEND), client.register_script(_READ)

    def send(
        self,
        channel: str,
        messages: Sequence[bytes],
        are_kept: Sequence[bool],
        *,
        is_gap: bool,
    ) -> None:
        """See ``KeepingSender.send_and_keep``. Raises the errors of redis-py."""
        keeping = self._keeping
        self._send(
            keys=["wsrequest:number", stream_key(channel)],
            args=[
                self._fresh,
                channel,
                "".join("01"[is_kept] for is_kept in are_kept),
                int(is_gap),
                keeping.max_bytes,
                keeping.max_messages,
                int(keeping.max_seconds * 1_000_000),
                *messages,
            ],
        )

    def read(self, channel: str, since: tuple[str, int] | None) -> Kept:
        """See ``KeepingReceiver.kept``. Also raises the errors of redis-py."""
        for _ in range(_ATTEMPTS):
            found = self._attempt(channel, since)
            if found is not None:
                return found
        raise Unavailable("what it has kept is deleted faster than it can be read")

    def _attempt(self, channel: str, since: tuple[str, int] | None) -> Kept | None:
        keys = ["wsrequest:number", stream_key(channel)]
        epoch, number = since or ("", 0)
        start, messages = number if since else None, list[Sequenced]()
        first, oldest = True, 0
        while True:
            answer = self._read(keys=keys, args=[self._fresh, epoch, number, _CHUNK])
            found, now = answer[0].decode(), int(answer[1])
            if len(answer) == 2:  # nothing can be kept
                return Kept(found, now, [])
            if found != epoch:
                if not first:
                    return None
                epoch, start = found, None
            oldest = now - int(self._keeping.max_seconds * 1_000_000)
            for id, fields in answer[2]:
                values = dict(zip(fields[::2], fields[1::2], strict=True))
                before, place = int(values[b"p"]), int(id.partition(b"-")[0])
                if not first and before > number:
                    return None  # some between were deleted
                if first and (start is None or before > start):
                    start = before
                first, number = False, place
                if place < oldest:
                    start = place
                elif values[b"m"]:
                    messages.append(Sequenced(epoch, place, values[b"m"]))
            if len(answer[2]) < _CHUNK:
                return Kept(epoch, number if start is None else start, messages)
