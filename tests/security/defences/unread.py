"""What a client may leave unread in the buffers of uvicorn."""

from tests.security.defences.defence import SRC, UNIT, Defence

__all__ = ["UNREAD"]

EVENTS = UNIT + "connection/test_sse.py"
WRITE_BUFFER = UNIT + "server/test_write_buffer.py"
# The case is the way by which the bytes come there.
CUT = (
    f"{WRITE_BUFFER}::test_what_uvicorn_holds_of_a_client_that_does_not_read_counts_until_it_is_cut"
)

UNREAD = (
    Defence(
        (24, 34),
        "unread bytes in uvicorn's buffer count",
        SRC + "server/write_buffer.py",
        (("            self.receiver.is_buffered(count)\n", "            pass\n"),),
        (
            UNIT + "server/test_uvicorn.py::test_a_client_that_does_not_read_is_not_written_to",
            WRITE_BUFFER + "::test_what_waits_is_told_until_it_has_been_read",
            CUT + "[direct-asyncio]",
        ),
    ),
    Defence(
        (24, 34),
        "they count with deflate, and for a message before the 101 too",
        SRC + "asgi.py",
        (("                buffer.serve(connection)\n", ""),),
        # Behind ASGI middleware the queue of the connection counts a frame until it is sent.
        (CUT + "[deflate-uvloop]", CUT + "[early-asyncio]"),
    ),
    Defence(
        (24, 34),
        "they count for a stream of events too",
        SRC + "connection/sse.py",
        (("            await self._buffer.drain()", "            pass"),),
        (
            EVENTS
            + "::test_what_a_stream_s_client_leaves_in_uvicorn_s_buffer_counts_until_it_is_cut",
            CUT + "[events-asyncio]",
            CUT + "[wrapped events-asyncio]",
        ),
    ),
    Defence(
        (20, 24, 34),
        "pongs that were unread before the application ran count",
        SRC + "server/write_buffer.py",
        (("        if self._is_paused:\n", "        if False:\n"),),
        (WRITE_BUFFER + "::test_before_it_is_accepted_a_client_has_nothing_to_leave_unread[True]",),
    ),
    Defence(
        (24, 34),
        "a client that reads nothing of uvicorn's buffer is closed",
        SRC + "server/write_buffer.py",
        (
            (
                "        elif self._buffered_bytes:\n            now",
                "        elif False:\n            now",
            ),
        ),
        (
            WRITE_BUFFER + "::test_who_reads_slowly_is_cut_when_he_reads_no_more",
            CUT + "[direct-asyncio]",
            CUT + "[deflate-uvloop]",
        ),
    ),
    Defence(
        (24, 34),
        "a client that reads nothing of a stream of events is closed",
        SRC + "connection/sse.py",
        (("        if self._slow is None:\n", "        if False:\n"),),
        (
            EVENTS + "::test_a_stream_s_client_has_the_time_of_each_frame_and_no_more",
            CUT + "[events-asyncio]",
        ),
    ),
    Defence(
        (24, 34),
        "when a stream of events is cut off, its buffer is freed",
        SRC + "connection/sse.py",
        (("            self._buffer.abort()\n", "            pass\n"),),
        (
            EVENTS
            + "::test_what_a_stream_s_client_leaves_in_uvicorn_s_buffer_counts_until_it_is_cut",
            CUT + "[events-asyncio]",
        ),
    ),
    Defence(
        (24, 34),
        "the end of a stream of events waits for its reader no longer than other frames",
        SRC + "connection/sse.py",
        (("asyncio.timeout(self.config.limits.slow_reader_seconds)", "asyncio.timeout(None)"),),
        (EVENTS + "::test_the_end_of_a_stream_waits_for_its_reader_no_longer_than_other_frames",),
    ),
    Defence(
        (20, 24, 34),
        "what a closed connection leaves in uvicorn's buffer is dropped, and counts until then",
        SRC + "server/write_buffer.py",
        (("            self._on_gone = on_gone\n", "            on_gone()\n"),),
        (
            WRITE_BUFFER
            + "::test_a_connection_whose_application_is_done_is_cut_and_counts_until_it_is_gone",
        ),
    ),
    Defence(
        (24, 34),
        "unread pongs are bounded",
        SRC + "server/write_buffer.py",
        (("if self._spare_bytes < 0 or", "if"),),
        (
            WRITE_BUFFER + "::test_a_flood_of_pings_whose_pongs_nobody_reads_ends_the_connection",
            WRITE_BUFFER
            + "::test_what_comes_on_top_of_what_nobody_reads_counts_and_is_bounded[large]",
        ),
    ),
    Defence(
        (24, 33, 34),
        "many small pongs are bounded like large ones",
        SRC + "server/write_buffer.py",
        (("max(more, _LEAST_BYTES)", "more"),),
        (
            WRITE_BUFFER
            + "::test_what_comes_on_top_of_what_nobody_reads_counts_and_is_bounded[one-byte]",
        ),
    ),
    Defence(
        (20, 24, 34),
        "a handshake that waits to be accepted can leave no pongs unread",
        SRC + "server/write_buffer.py",
        ((" or self.receiver is None:", ":"),),
        (
            WRITE_BUFFER
            + "::test_before_it_is_accepted_a_client_has_nothing_to_leave_unread[False]",
        ),
    ),
)
