"""What a client of plain HTTP can send and hold, where the worker threads answer it."""

from tests.security.defences.defence import SRC, UNIT, Defence

__all__ = ["HTTP"]

_ENVIRON = UNIT + "server/http/test_environ.py::"
_APPLICATION = UNIT + "server/http/test_application.py::"

HTTP = (
    Defence(
        (30, 35),
        "by plain HTTP, a header with an underscore cannot pass for another",
        SRC + "server/http/environ.py",
        (('    if b"_" in name:  # CVE-2026-3902\n        return None\n', ""),),
        (_ENVIRON + "test_headers_become_meta",),
    ),
    Defence(
        (14, 15),
        "by plain HTTP, the length is that of the body and not what a header says",
        SRC + "server/http/environ.py",
        (
            (
                'if body_bytes or "CONTENT_LENGTH" in environ:',
                'if body_bytes and "CONTENT_LENGTH" not in environ:',
            ),
        ),
        (_ENVIRON + "test_length_is_that_of_the_body[claimed3]",),
    ),
    Defence(
        (33, 34),
        "long header names of plain HTTP are not cached",
        SRC + "server/http/environ.py",
        (
            (
                "_meta_key(name) if len(name) <= _SHORT_BYTES else _make_meta_key(name)",
                "_meta_key(name)",
            ),
        ),
        (_ENVIRON + "test_names_that_strangers_choose_are_not_remembered",),
    ),
    Defence(
        (33, 34),
        "bodies of plain HTTP take a limited amount of memory",
        SRC + "server/http/application.py",
        (
            (
                "        if not task.body.is_in_file and not self._hold(task, len(part)):",
                "        if False:",
            ),
        ),
        (_APPLICATION + "test_memory_of_bodies_is_limited_and_the_rest_goes_to_files",),
    ),
    Defence(
        (33, 34),
        "a process holds a limited number of requests by plain HTTP",
        SRC + "server/http/application.py",
        (
            (
                "            await _send_all(send, plain_response(503, _RETRY))\n"
                "            return\n",
                "            pass\n",
            ),
        ),
        (_APPLICATION + "test_process_that_holds_too_much_refuses",),
    ),
    Defence(
        (33,),
        "a request by plain HTTP has a deadline",
        SRC + "server/http/application.py",
        (("                self._expire(task)\n", "                pass\n"),),
        (
            _APPLICATION + "test_late_request_gets_504_and_frees_the_others",
            _APPLICATION + "test_late_request_in_the_queue_is_not_run",
        ),
    ),
    Defence(
        (33, 34),
        "by plain HTTP, nothing is run for a client that has gone",
        SRC + "server/http/task.py",
        (
            (
                '        if (await self._receive())["type"] == "http.disconnect":',
                "        if False:",
            ),
        ),
        (
            _APPLICATION + "test_client_that_leaves_before_its_turn_is_not_served",
            _APPLICATION + "test_async_view_of_a_client_that_left_is_cancelled",
        ),
    ),
)
