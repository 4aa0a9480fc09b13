"""The defences of the package: what each is, how it would be taken away, which tests must notice.

An edit is a text that stands exactly once in its file and what takes its place; the package still
runs then, only without that defence. scripts/defences applies them one by one, and test_table
sees that all of them still apply.
"""

from dataclasses import dataclass

__all__ = ["DEFENCES", "Defence"]


@dataclass(frozen=True)
class Defence:
    """One defence.

    Attributes:
        points: numbers of ``points.POINTS`` that it serves.
        name: what it does.
        file: below the root of the repository.
        edits: pairs of a text and what takes its place, so that this defence is gone.
        tests: ids of pytest, with or without the case in brackets; each fails without it.
    """

    points: tuple[int, ...]
    name: str
    file: str
    edits: tuple[tuple[str, str], ...]
    tests: tuple[str, ...]

    def removed_from(self, source: str) -> str:
        """Return the source without this defence.

        Raises:
            ValueError: an edit does not apply exactly once.
        """
        for old, new in self.edits:
            count = source.count(old)
            if count != 1:
                raise ValueError(f"{self.name}: {old!r} stands {count} times in {self.file}")
            source = source.replace(old, new)
        return source


SRC = "src/wsrequest/"
ACCEPTANCE = "tests/acceptance/"
UNIT = "tests/unit/"
SECURITY = "tests/security/"
CHECKS = UNIT + "test_checks.py::test_check_finds"


def _frame(case: str) -> str:
    """The test of one frame that no client should send."""
    return f"{ACCEPTANCE}test_bad_input.py::test_frame_is_refused_and_disturbs_nothing[{case}]"


def _check(points: tuple[int, ...], id: str, what: str, file: str, old: str, case: str) -> Defence:
    """A system check, whose finding is thrown away."""
    name = f"check {id}: {what}"
    return Defence(points, name, f"{SRC}checks/{file}.py", ((old, "False"),), (CHECKS + case,))


HANDSHAKE = (
    Defence(
        (2, 6),
        "drafts before RFC 6455 are refused, whose Origin has another name",
        SRC + "http/handshake.py",
        (('value.strip() != b"13"', "False"),),
        (
            UNIT + "http/test_handshake.py::test_a_draft_of_the_protocol_is_refused",
            SECURITY + "test_servers.py"
            "::test_handshake_of_another_protocol_is_refused[daphne-draft-of-2011]",
        ),
    ),
    Defence(
        (6, 29),
        "a foreign origin is refused",
        SRC + "http/handshake.py",
        (
            (
                "if not base.is_same_origin and origin not in {allowed.lower() for allowed in "
                "allowed_origins}:",
                "if False:",
            ),
        ),
        (
            UNIT + "http/test_handshake.py::test_a_foreign_origin_is_refused",
            UNIT + "http/test_handshake.py::test_an_origin_is_allowed_as_a_whole",
            UNIT + "test_asgi.py::test_a_foreign_page_is_refused[headers0-403]",
            ACCEPTANCE + "test_handshake.py::test_origin_that_is_foreign_is_refused_with_403",
        ),
    ),
    Defence(
        (6,),
        "an origin is compared as a whole",
        SRC + "http/handshake.py",
        (
            ("base.is_same_origin = origin == own", "base.is_same_origin = origin.startswith(own)"),
            (
                "origin not in {allowed.lower() for allowed in allowed_origins}",
                "not any(a.lower() in origin for a in allowed_origins)",
            ),
        ),
        (
            UNIT + "http/test_handshake.py::test_a_foreign_origin_is_refused[host-as-prefix]",
            UNIT + "http/test_handshake.py::test_an_origin_is_allowed_as_a_whole",
            ACCEPTANCE + "test_handshake.py::test_origin_that_is_foreign_is_refused_with_403",
        ),
    ),
    Defence(
        (29,),
        "the Origin check heeds no setting of CSRF",
        SRC + "asgi.py",
        (
            (
                "allowed_origins=conf.ALLOWED_ORIGINS,",
                "allowed_origins=[*conf.ALLOWED_ORIGINS, *conf.django('CSRF_TRUSTED_ORIGINS')],",
            ),
        ),
        (SECURITY + "test_doors.py::test_origin_check_knows_nothing_of_csrf_settings",),
    ),
    Defence(
        (29,),
        "the Origin check needs no middleware",
        SRC + "connection/door.py",
        (
            ("import Iterable\n", "import Iterable\n\nfrom django.conf import settings\n"),
            ("        check_handshake(\n", "        settings.MIDDLEWARE and check_handshake(\n"),
        ),
        (SECURITY + "test_doors.py::test_origin_is_checked_without_any_middleware",),
    ),
    Defence(
        (6,),
        "a handshake without Origin is refused where the setting says so",
        SRC + "http/handshake.py",
        (("if not allow_no_origin:", "if False:"),),
        (
            UNIT + "http/test_handshake.py"
            "::test_without_origin_a_handshake_is_refused_where_the_setting_says_so",
        ),
    ),
    Defence(
        (6,),
        "the Host must be one of ALLOWED_HOSTS, or DNS rebinding passes",
        SRC + "http/handshake.py",
        (("host = request.get_host()", "host = request._get_raw_host()"),),
        (
            UNIT + "http/test_handshake.py"
            "::test_a_rebound_host_is_refused_although_the_origin_says_the_same",
            ACCEPTANCE + "test_handshake.py::test_host_that_is_not_allowed_is_refused",
        ),
    ),
    _check(
        (6,),
        "W020",
        "ALLOWED_HOSTS has a wildcard",
        "deployment",
        'if "*" in conf.django("ALLOWED_HOSTS", ())'.removeprefix("if "),
        '[W020 ALLOWED_HOSTS ALLOWED_HOSTS has "*"]',
    ),
    Defence(
        (6,),
        "check E004: an origin is a wildcard or null",
        SRC + "faults.py",
        (("conf.ALLOWED_ORIGINS, _origin_fault)", "(), _origin_fault)"),),
        (
            CHECKS + "[E004 WSREQUEST_ALLOWED_ORIGINS is a wildcard]",
            UNIT + "test_asgi.py"
            "::test_no_application_is_made_with_settings_that_cannot_work[get_asgi_application-wildcard]",
        ),
    ),
    Defence(
        (1,),
        "a handshake without TLS is refused where HTTP would be redirected",
        SRC + "http/handshake.py",
        (("if needs_tls and not request.is_secure():", "if False:"),),
        (
            UNIT + "http/test_handshake.py::test_a_handshake_without_tls_is_refused_where_it_must",
            SECURITY + "test_doors.py::test_socket_without_tls_is_refused_where_http_is_redirected",
        ),
    ),
    _check(
        (1,),
        "W022",
        "TLS ends where Django cannot see it",
        "deployment",
        'conf.django("SECURE_SSL_REDIRECT")',
        "[W022 SECURE_SSL_REDIRECT without SECURE_PROXY_SSL_HEADER]",
    ),
    _check(
        (1, 6),
        "W024",
        "an origin is not encrypted",
        "deployment",
        'origin.lower().startswith("http://")',
        "[W024 WSREQUEST_ALLOWED_ORIGINS 'http://a.example']",
    ),
    _check(
        (8,),
        "W021",
        "the session cookie is not SameSite",
        "deployment",
        'str(same_site).lower() not in ("lax", "strict")',
        "[W021 SESSION_COOKIE_SAMESITE is None,]",
    ),
    _check(
        (4,),
        "W006",
        "pings are rarer than proxies are patient",
        "settings",
        "conf.PING_SECONDS >= _PROXY_SECONDS",
        "[W006 WSREQUEST_PING_SECONDS is 60, but proxies]",
    ),
    Defence(
        (3,),
        "our own commands offer no deflate",
        SRC + "management/serving.py",
        (("ws_per_message_deflate=False", "ws_per_message_deflate=True"),),
        (
            ACCEPTANCE + "test_commands.py"
            "::test_runwebsockets_does_not_compress_and_names_what_is_too_large",
        ),
    ),
)

IDENTITY = (
    Defence(
        (7,),
        "without Origin Django asks for the CSRF token",
        SRC + "http/requests.py",
        (
            (
                "    if base.origin is not None:\n        # The Origin of the handshake was",
                "    if True:\n        # The Origin of the handshake was",
            ),
        ),
        (
            UNIT + "http/test_requests.py::test_without_origin_django_checks_the_token",
            ACCEPTANCE + "test_csrf.py::test_csrf_token_is_needed_without_origin[uvicorn-sansio]",
        ),
    ),
    Defence(
        (9,),
        "a socket is closed when its session has ended",
        SRC + "connection/watch.py",
        (("            watched.session_is_due()\n", "            pass\n"),),
        (
            UNIT + "connection/test_watch.py::test_a_session_is_looked_at_from_time_to_time",
            SECURITY + "test_sessions.py::test_an_idle_socket_is_closed_when_its_session_ends",
        ),
    ),
    Defence(
        (9,),
        "a session whose user may not log in any more has ended",
        SRC + "http/identity.py",
        (
            (
                "return bool(get_user(request).is_authenticated)",
                'return bool(request.session.get("_auth_user_id"))',
            ),
        ),
        (
            SECURITY + "test_sessions.py::test_a_session_names_nobody_who_may_not_log_in[inactive]",
            SECURITY + "test_sessions.py::test_a_session_names_nobody_who_may_not_log_in[password]",
        ),
    ),
    Defence(
        (10,),
        "a logout closes the session's other sockets",
        SRC + "apps.py",
        (("if session_key and conf.CLOSE_ON_LOGOUT:", "if False:"),),
        (
            UNIT + "connection/test_endings.py"
            "::test_a_logout_closes_the_other_sockets_of_its_session",
            ACCEPTANCE + "test_accounts.py"
            "::test_logout_by_http_closes_the_sockets_of_the_session[uvicorn-sansio]",
        ),
    ),
    Defence(
        (12, 37),
        "requests of one connection share no environ",
        SRC + "http/requests.py",
        (("environ = base.environ.copy()", "environ = base.environ"),),
        (
            UNIT + "http/test_requests.py"
            "::test_requests_of_one_connection_do_not_share_their_environ",
            ACCEPTANCE + "test_data.py::test_token_is_of_its_message_only",
        ),
    ),
    Defence(
        (5, 13),
        "every message runs through MIDDLEWARE",
        SRC + "http/handler.py",
        (("response = self.get_response(request)", "response = self._get_response(request)"),),
        (
            UNIT + "http/test_handler.py::test_handle_runs_middleware_around_the_view",
            ACCEPTANCE + "test_views.py::test_middleware_runs_around_every_view[uvicorn-sansio]",
            ACCEPTANCE + "test_accounts.py"
            "::test_deactivated_user_is_nobody_on_the_next_message[uvicorn-sansio]",
            ACCEPTANCE + "test_accounts.py::test_logout_elsewhere_holds_on_the_next_message",
        ),
    ),
    Defence(
        (17, 32),
        "a ticket works once",
        SRC + "http/tickets.py",
        (
            ("return content if caches", "return content if content or caches"),
            ("            session.delete(ticket)\n", "            pass\n"),
        ),
        (
            UNIT + "http/test_tickets.py::test_a_ticket_works_once[database]",
            UNIT + "http/test_tickets.py::test_a_spent_ticket_leaves_no_session_behind",
        ),
    ),
    Defence(
        (17, 32),
        "a ticket is for its origin",
        SRC + "http/tickets.py",
        ((' or content["origin"] != origin', ""),),
        (
            UNIT
            + "http/test_tickets.py::test_a_ticket_is_for_one_origin[https://evil.example-database]",
            UNIT + "test_asgi.py::test_a_ticket_of_another_origin_is_refused",
        ),
    ),
    Defence(
        (8, 32),
        "a cookie becomes the browser's with all its attributes",
        SRC + "http/tickets.py",
        (("morsel.OutputString()", 'f"{morsel.key}={morsel.coded_value}"'),),
        (
            UNIT + "http/test_tickets.py::test_a_ticket_is_redeemed_for_its_cookies",
            ACCEPTANCE + "test_accounts.py"
            "::test_cookies_are_not_shown_to_a_browser_but_exchanged_for_a_ticket[uvicorn-sansio]",
        ),
    ),
    Defence(
        (17,),
        "a ticket ends by itself",
        SRC + "http/tickets.py",
        (
            ("content, self._seconds)", "content, None)"),
            ("        session.set_expiry(self._seconds)\n", ""),
        ),
        (
            UNIT + "http/test_tickets.py::test_a_ticket_in_the_cache_ends_by_itself",
            UNIT + "http/test_tickets.py::test_a_ticket_in_the_database_ends_by_itself",
        ),
    ),
    Defence(
        (32,),
        "a session is no ticket: it is neither read nor ended",
        SRC + "http/tickets.py",
        (
            (
                "content = session.get(_KEY)\n        if content is not None:",
                "content = session.get(_KEY)\n        if True:",
            ),
        ),
        (UNIT + "http/test_tickets.py::test_redeeming_another_session_leaves_it_as_it_is",),
    ),
    Defence(
        (32,),
        "a browser's scripts are not shown Set-Cookie",
        SRC + "http/responses.py",
        (("        if show_cookies:\n", "        if True:\n"),),
        (
            UNIT + "http/test_responses.py::test_headers_of_hides_cookies_from_scripts",
            UNIT + "http/test_responses.py"
            "::test_headers_of_hides_a_cookie_that_was_written_as_a_header",
        ),
    ),
    Defence(
        (32, 13),
        "a login over the socket moves the connection to the new session",
        SRC + "connection/visitor.py",
        (("self._jar.update(call.set_cookies)", "pass"),),
        (
            ACCEPTANCE + "test_accounts.py::test_login_holds_at_once[uvicorn-sansio]",
            UNIT + "connection/test_connection.py"
            "::test_a_cookie_that_a_response_sets_goes_with_the_next_request",
        ),
    ),
    Defence(
        (37,),
        "each connection has cookies of its own",
        SRC + "connection/visitor.py",
        (
            (
                "CookieJar(cookie)",
                'globals().setdefault("_shared_jar", CookieJar(cookie))',
            ),
        ),
        (ACCEPTANCE + "test_accounts.py::test_login_holds_at_once[uvicorn-sansio]",),
    ),
    Defence(
        (37,),
        "what a request sets in its context ends with it",
        SRC + "http/lanes.py",
        (("copy_context().run(job.run)", "job.run()"),),
        (
            UNIT + "http/test_lanes.py::test_context_variables_of_a_job_end_with_it",
            SECURITY + "test_threads.py::test_a_thread_keeps_nothing_of_a_request",
        ),
    ),
    Defence(
        (37,),
        "each request has the URLs of its own mount point",
        SRC + "http/handler.py",
        (('            set_script_prefix(request.META["SCRIPT_NAME"])\n', ""),),
        (UNIT + "http/test_handler.py::test_handle_sets_the_script_prefix",),
    ),
    Defence(
        (21, 37),
        "tickets and looks at sessions have one turn among the connections",
        SRC + "asgi.py",
        (("source=service.chores", "source=type(service.chores)()"),),
        (SECURITY + "test_threads.py::test_a_flood_of_tickets_has_one_turn",),
    ),
)

MESSAGES = (
    Defence(
        (11, 26),
        "a line of the log has paths without queries",
        SRC + "connection/calls.py",
        (("return split_url(self.message.url)[0]", "return self.message.url"),),
        (SECURITY + "test_logs.py::test_log_has_no_token_body_query_cookie_or_ticket",),
    ),
    Defence(
        (26,),
        "a refusal is told of without what was refused",
        SRC + "connection/journal.py",
        (
            (
                "self._id, printable(str(refused)))\n\n    def closed",
                'self._id, f"{refused} {refused.__traceback__.tb_frame.f_locals}")\n\n'
                "    def closed",
            ),
        ),
        (SECURITY + "test_logs.py::test_log_has_no_token_body_query_cookie_or_ticket",),
    ),
    Defence(
        (25,),
        "it is logged who came, what was refused, and how it ended",
        SRC + "connection/journal.py",
        (("logger = logging.getLogger", 'logger = logging.getLogger("no") or logging.getLogger'),),
        (SECURITY + "test_logs.py::test_log_tells_who_came_what_was_refused_and_how_it_ended",),
    ),
    Defence(
        (25,),
        "no text of a client begins a line of the log",
        SRC + "connection/journal.py",
        (("return text if text.isprintable() else ascii(text)", "return text"),),
        (UNIT + "connection/test_journal.py::test_what_a_client_chose_cannot_begin_a_line",),
    ),
    Defence(
        (25,),
        "no path begins a line of the log when the stack itself fails",
        SRC + "http/handler.py",
        (
            (
                'path = request.path.encode("unicode_escape").decode("ascii")',
                "path = request.path",
            ),
        ),
        (SECURITY + "test_logs.py::test_a_url_begins_no_line_when_django_has_no_answer",),
    ),
    Defence(
        (25,),
        "a flood of refusals does not flood the log",
        SRC + "connection/journal.py",
        (("logging.INFO if self._refusals == 1 else", "logging.INFO if True else"),),
        (UNIT + "connection/test_journal.py::test_a_flood_of_refusals_is_one_line_and_a_count",),
    ),
    Defence(
        (11, 32),
        "a ticket is taken from a header, which no foreign form can send",
        SRC + "http/plain.py",
        (
            (
                'ticket = headers.get(b"x-wsrequest-ticket")',
                'ticket = headers.get(b"x-wsrequest-ticket") or scope["query_string"] or None',
            ),
        ),
        (SECURITY + "test_doors.py::test_ticket_in_the_query_is_none",),
    ),
    Defence(
        (36,),
        "a cookie that could split the response does not become a header",
        SRC + "http/plain.py",
        (("for c in redeemed if is_allowed_value(c)]", "for c in redeemed]"),),
        (SECURITY + "test_doors.py::test_cookie_that_could_split_a_response_is_left_out",),
    ),
    Defence(
        (16, 18),
        "nothing is evaluated or unpickled",
        SRC + "protocol/ids.py",
        (("import msgspec\n", "import msgspec\nimport pickle\n"),),
        (SECURITY + "test_source.py::test_source_evaluates_and_unpickles_nothing",),
    ),
    Defence(
        (19,),
        "serving opens no connection to anywhere",
        SRC + "http/requests.py",
        (("import io\n", "import io\nimport urllib.request\n"),),
        (SECURITY + "test_source.py::test_source_calls_nobody",),
    ),
    Defence(
        (33,),
        "data of a GET has a limit",
        SRC + "protocol/fields.py",
        (("if len(bytes(data)) > MAX_QUERY_DATA_BYTES:", "if False:"),),
        (SECURITY + "test_storms.py::test_query_of_a_get_is_limited_before_it_is_encoded",),
    ),
    Defence(
        (14,),
        "there are seven methods",
        SRC + "protocol/fields.py",
        (("if upper not in METHODS or not method.isascii():", "if False:"),),
        (
            _frame("a method that is none of the seven-'TRACE'"),
            UNIT + "protocol/test_codec.py::test_frame_is_refused",
        ),
    ),
    Defence(
        (14,),
        "a message has the shape of one",
        SRC + "protocol/client_frames.py",
        (
            (
                "head = _head.decode(head_text)",
                "head = msgspec.json.Decoder(_Head, strict=False).decode(head_text)",
            ),
        ),
        (_frame("another member of a wrong type, or out of its range-credit is a string"),),
    ),
    Defence(
        (15, 34),
        "a frame over the limit is refused before it is read",
        SRC + "protocol/client_frames.py",
        (("        check_size(frame, max_bytes)\n", "        pass\n"),),
        (
            UNIT + "protocol/test_fields.py"
            "::test_large_frame_is_refused_for_its_size_before_it_is_read",
        ),
    ),
    Defence(
        (15, 33),
        "unfinished bodies of a connection have a limit together",
        SRC + "protocol/session.py",
        (("if size and self.body_bytes + size > self._limits.body_bytes:", "if False:"),),
        (
            UNIT + "protocol/test_session.py::test_part_over_the_limit_finishes_its_request",
            UNIT + "connection/test_connection.py::test_a_body_that_grows_too_large_is_refused",
        ),
    ),
    Defence(
        (19, 31),
        "url is a path of this origin",
        SRC + "protocol/fields.py",
        (
            ('if not url.startswith("/") or url.startswith("//"):', "if False:"),
            ('re.compile(r"/(?!/)[', 're.compile(r"/['),
        ),
        (
            _frame(
                "an absolute URL, or one that does not start with a slash-'http://127.0.0.1/ready/'"
            ),
            _frame("a URL that starts with two slashes-'//evil.example/'"),
        ),
    ),
    Defence(
        (31,),
        "url has no backslash, fragment or control character",
        SRC + "protocol/fields.py",
        (("    found = _BAD_IN_URL.search(url)\n", "    found = None\n"),),
        (_frame("a fragment in the URL-'/ready/#top'"),),
    ),
    Defence(
        (31, 33),
        "url has an end",
        SRC + "protocol/fields.py",
        (("MAX_URL_CHARACTERS = 8190", "MAX_URL_CHARACTERS = 2**30"),),
        (UNIT + "protocol/test_codec.py::test_frame_is_refused",),
    ),
    Defence(
        (30,),
        "headers that fetch or a proxy keeps are refused",
        SRC + "protocol/headers.py",
        (("return name in FORBIDDEN or name.startswith(FORBIDDEN_PREFIXES)", "return False"),),
        (
            UNIT + "protocol/test_fields.py::test_name_that_fetch_or_a_proxy_keeps_is_forbidden",
            UNIT + "protocol/test_fields.py::test_name_with_a_prefix_that_is_kept_is_forbidden",
            ACCEPTANCE + "test_headers.py::test_header_that_may_not_be_set_is_refused[Forwarded]",
            ACCEPTANCE + "test_headers.py::test_header_that_may_not_be_set_is_refused[Cookie]",
            ACCEPTANCE
            + "test_headers.py::test_header_that_may_not_be_set_is_refused[X-Forwarded-For]",
        ),
    ),
    Defence(
        (30,),
        "a header name is a token without underscore",
        SRC + "protocol/headers.py",
        (("if not _NAME.fullmatch(name):", "if False:"),),
        (
            ACCEPTANCE + "test_headers.py::test_header_that_may_not_be_set_is_refused[Remote_User]",
            ACCEPTANCE + "test_headers.py::test_header_that_is_malformed_is_refused[X:A-a]",
        ),
    ),
    Defence(
        (30, 36),
        "a header value has no control character",
        SRC + "protocol/headers.py",
        (
            (
                "return (value.isascii() and value.isprintable()) or not "
                "_BAD_IN_VALUE.search(value)",
                "return True",
            ),
        ),
        (
            UNIT + "protocol/test_fields.py::test_allowed_values_are_printable_latin_1_and_tab",
            UNIT + "protocol/test_fields.py::test_token_is_judged_without_headers_too",
            ACCEPTANCE + "test_headers.py::test_header_that_is_malformed_is_refused",
        ),
    ),
    Defence(
        (33,),
        "headers are limited in number",
        SRC + "protocol/headers.py",
        (("MAX_HEADERS = 100", "MAX_HEADERS = 10**9"),),
        (UNIT + "protocol/test_codec.py::test_frame_is_refused",),
    ),
    Defence(
        (33,),
        "headers are limited in size",
        SRC + "protocol/headers.py",
        (("MAX_HEADER_CHARACTERS = 16384", "MAX_HEADER_CHARACTERS = 2**30"),),
        (UNIT + "protocol/test_codec.py::test_frame_is_refused",),
    ),
    Defence(
        (30,),
        "a header that the handshake had is not replaced",
        SRC + "http/requests.py",
        (("if lower in base.header_names and lower not in _REPLACEABLE:", "if False:"),),
        (
            UNIT + "http/test_requests.py::test_a_header_of_the_handshake_cannot_be_replaced",
            ACCEPTANCE + "test_headers.py"
            "::test_message_may_not_replace_another_header_of_the_handshake[uvicorn-sansio]",
        ),
    ),
    Defence(
        (30,),
        "a header that the project forbids is refused",
        SRC + "http/requests.py",
        (("        if lower in vouching:\n", "        if False:\n"),),
        (
            UNIT + "http/test_requests.py::test_a_header_that_the_project_keeps_cannot_be_set",
            ACCEPTANCE
            + "test_headers.py::test_header_that_may_not_be_set_is_refused[X-Project-Secret]",
        ),
    ),
    Defence(
        (30,),
        "the header of SECURE_PROXY_SSL_HEADER is refused",
        SRC + "conf.py",
        (("if settings.SECURE_PROXY_SSL_HEADER:", "if False:"),),
        (UNIT + "test_conf.py::test_vouching_headers_are_the_settings_own_and_djangos",),
    ),
    Defence(
        (30,),
        "a message sets no META key but HTTP_* and CONTENT_TYPE",
        SRC + "http/requests.py",
        (
            (
                'environ[key if key == "CONTENT_TYPE" else "HTTP_" + key] = value',
                "environ[key] = value",
            ),
        ),
        (UNIT + "http/test_requests.py::test_headers_are_what_they_are_by_http",),
    ),
    Defence(
        (30,),
        "a handshake header with an underscore is not taken for one with a hyphen",
        SRC + "http/environ.py",
        ((' and "_" not in name:', ":"),),
        (
            UNIT + "http/test_environ.py::test_make_base_drops_headers_with_an_underscore",
            UNIT + "http/test_environ.py"
            "::test_an_underscore_does_not_replace_the_header_with_a_hyphen",
        ),
    ),
    Defence(
        (28,),
        "check W025: a server is installed that has holes",
        SRC + "checks/deployment.py",
        (("(get_version_tuple(installed) or fixed) < fixed", "False"),),
        (UNIT + "test_checks.py::test_check_of_versions_finds_a_server_with_holes",),
    ),
    _check(
        (30,),
        "E007",
        "a middleware believes a header that messages may set",
        "project",
        "name and not is_forbidden(name.lower()) and name.lower() not in forbidden",
        "[E007 MIDDLEWARE whoever the header X-Portal-User names]",
    ),
    Defence(
        (35,),
        "the client's address is that of the handshake",
        SRC + "http/environ.py",
        (
            (
                'environ["REMOTE_ADDR"] = environ["REMOTE_HOST"] = str(client[0])',
                'environ["REMOTE_ADDR"] = environ["REMOTE_HOST"] = "127.0.0.2"',
            ),
        ),
        (
            UNIT + "http/test_environ.py::test_make_base_takes_the_addresses_as_strings",
            ACCEPTANCE
            + "test_headers.py::test_meta_has_the_keys_that_it_has_over_http[uvicorn-sansio]",
        ),
    ),
)

LIMITS = (
    Defence(
        (20,),
        "an IPv6 client is counted by its network",
        SRC + "http/handshake.py",
        (('return f"{IPv6Address(int(found) >> 64 << 64)}/64"', "return address"),),
        (
            SECURITY + "test_storms.py::test_sockets_are_counted_by_the_network_of_an_ipv6_client",
            SECURITY + "test_storms.py"
            "::test_an_ipv6_client_has_only_so_many_sockets_whatever_address_it_takes",
        ),
    ),
    Defence(
        (21,),
        "a connection is read only so fast",
        SRC + "connection/pace.py",
        (("return max(0.0, self._due - now)", "return 0.0"),),
        (
            SECURITY + "test_storms.py::test_a_flood_of_messages_waits_to_be_read",
            UNIT + "connection/test_pace.py::test_frames_beyond_the_first_second_s_take_their_time",
        ),
    ),
    Defence(
        (21,),
        "a connection that floods leaves others their turn",
        SRC + "connection/connection.py",
        (("if self._pace.is_turn_over():", "if False:"),),
        (SECURITY + "test_storms.py::test_a_flood_of_messages_leaves_others_their_turn",),
    ),
    Defence(
        (22,),
        "a client that is not pinged is closed when it is idle for long",
        SRC + "connection/watch.py",
        (("            if not watched.is_busy():\n", "            if not self.has_spoken:\n"),),
        (
            UNIT + "connection/test_watch.py::test_a_client_that_has_spoken_may_be_silent_for_long",
            SECURITY + "test_storms.py"
            "::test_a_silent_client_without_pings_is_cut_once_it_is_idle_for_long",
        ),
    ),
    Defence(
        (33, 34),
        "unfinished requests of a process have a limit together",
        SRC + "connection/budget.py",
        (("if self.held_bytes + count > max_bytes:", "if False:"),),
        (
            SECURITY + "test_storms.py"
            "::test_unfinished_requests_of_many_connections_have_a_limit_together",
        ),
    ),
    Defence(
        (33, 34),
        "what a request held is given back",
        SRC + "connection/calls.py",
        (("        self.owner.service.budget.give(self.held_bytes)\n", ""),),
        (SECURITY + "test_storms.py::test_what_was_held_is_given_back",),
    ),
    Defence(
        (20,),
        "a process has only so many sockets",
        SRC + "connection/door.py",
        (("self._by_place.total() >= max_connections:", "False:"),),
        (UNIT + "test_asgi.py::test_a_process_has_only_so_many_sockets",),
    ),
    Defence(
        (20, 34),
        "an address has only so many sockets",
        SRC + "connection/door.py",
        (("self._by_place[place] >= max_connections_per_address", "False"),),
        (
            UNIT + "test_asgi.py::test_one_address_has_only_so_many_sockets",
            ACCEPTANCE + "test_handshake.py"
            "::test_connections_are_limited_by_address_and_free_again",
        ),
    ),
    Defence(
        (22, 34),
        "a client that never asks is cut",
        SRC + "connection/watch.py",
        (
            (
                "limits.idle_seconds if self.has_spoken else limits.first_request_seconds",
                "limits.idle_seconds",
            ),
        ),
        (
            UNIT + "connection/test_watch.py::test_a_client_that_is_not_pinged_must_speak_once",
            UNIT + "connection/test_endings.py::test_a_client_that_never_asks_is_cut",
        ),
    ),
    Defence(
        (22, 23),
        "a client that answers no ping is cut",
        SRC + "connection/watch.py",
        (
            (
                "self._is_due and silence >= limits.ping_seconds + limits.pong_seconds",
                "False",
            ),
        ),
        (
            UNIT + "connection/test_watch.py::test_a_silent_client_is_pinged_and_told_of",
            UNIT + "connection/test_endings.py::test_a_silent_client_is_pinged_and_then_cut",
        ),
    ),
    Defence(
        (24,),
        "an answer keeps to its credit",
        SRC + "connection/flow.py",
        (
            (
                "count = min(wanted, self._credit, self._window_bytes",
                "count = min(wanted, self._window_bytes",
            ),
        ),
        (UNIT + "connection/test_flow.py::test_try_take_gives_no_more_than_the_credit",),
    ),
    Defence(
        (24, 33),
        "nothing is begun for a client that does not read",
        SRC + "connection/outbox.py",
        (("return self.waiting_bytes < self._max_bytes", "return True"),),
        (
            UNIT + "connection/test_endings.py"
            "::test_nothing_more_is_begun_for_a_client_that_does_not_read",
            UNIT + "connection/test_endings.py"
            "::test_a_stream_waits_for_its_reader_in_spite_of_its_credit",
        ),
    ),
    Defence(
        (24,),
        "a client that does not read is cut",
        SRC + "connection/watch.py",
        (("if since is not None and now >= since + limits.slow_reader_seconds:", "if False:"),),
        (
            UNIT + "connection/test_watch.py::test_a_reader_that_is_slow_is_told_of",
            UNIT + "connection/test_endings.py::test_a_client_that_does_not_read_is_cut",
        ),
    ),
    Defence(
        (24,),
        "a frame is timed from when it is given to be sent",
        SRC + "connection/outbox.py",
        (
            ("if self.sending_since is None:", "if False:"),
            ("if sys.version_info >= (3, 12):", "if False:"),  # there it has begun by then
        ),
        (
            UNIT + "connection/test_outbox.py"
            "::test_sending_since_is_set_before_the_first_turn_of_whoever_sends",
        ),
    ),
    Defence(
        (21, 24),
        "a client that asks without reading is cut",
        SRC + "connection/exchange.py",
        (
            (
                "if self._outbox.count > 2 * (limits.in_flight + limits.waiting):",
                "if False:",
            ),
        ),
        (UNIT + "connection/test_endings.py::test_a_client_that_asks_without_reading_is_cut",),
    ),
    Defence(
        (33,),
        "only so many requests are in flight",
        SRC + "connection/schedule.py",
        (("len(self._running) < self._max_running", "True"),),
        (UNIT + "connection/test_connection.py::test_no_more_than_in_flight_run_at_the_same_time",),
    ),
    Defence(
        (21, 33),
        "only so many requests wait",
        SRC + "protocol/session.py",
        (("if unfinished >= self._limits.in_flight + self._limits.waiting:", "if False:"),),
        (
            UNIT + "protocol/test_session.py::test_unfinished_requests_are_counted",
            UNIT + "connection/test_connection.py"
            "::test_more_than_in_flight_and_waiting_are_refused_for_now",
        ),
    ),
    Defence(
        (33,),
        "a request has its time",
        SRC + "connection/watch.py",
        (("if now >= call.since + limits.request_seconds:", "if False:"),),
        (
            UNIT + "connection/test_watch.py::test_a_call_expires_by_its_own_time",
            UNIT + "connection/test_endings.py"
            "::test_a_call_that_no_thread_takes_in_time_is_refused_and_not_run",
        ),
    ),
    Defence(
        (33, 34),
        "greedy connections leave threads to others",
        SRC + "http/lanes.py",
        (("if self._parked and not self._shares.has_room(source, self._parked):", "if False:"),),
        (
            SECURITY + "test_greedy.py"
            "::test_newcomers_are_answered_whatever_greedy_connections_have_wait[one-address]",
            SECURITY + "test_greedy.py"
            "::test_newcomers_are_answered_whatever_greedy_connections_have_wait[own-addresses]",
        ),
    ),
    Defence(
        (33,),
        "a view of a stream of events that never ends has a stand-in",
        SRC + "connection/events.py",
        (("            self.service.lane.park()\n", "            pass\n"),),
        (
            SECURITY + "test_greedy.py"
            "::test_streams_of_events_whose_views_never_end_leave_threads_to_others[stays]",
            SECURITY + "test_greedy.py"
            "::test_streams_of_events_whose_views_never_end_leave_threads_to_others[leaves]",
        ),
    ),
    Defence(
        (33, 34),
        "a connection has its share of the threads",
        SRC + "http/shares.py",
        (("return source.taken < share and taken", "return taken"),),
        (UNIT + "http/test_shares.py::test_a_greedy_source_leaves_half_of_the_threads",),
    ),
    Defence(
        (33, 34),
        "the connections of an address have a share of the threads together",
        SRC + "http/shares.py",
        (("taken < share and taken < _GROUP * share", "taken < share"),),
        (UNIT + "http/test_shares.py::test_a_greedy_group_leaves_a_quarter_of_the_threads",),
    ),
    Defence(
        (33,),
        "a greedy address leaves threads to its own newcomers",
        SRC + "http/shares.py",
        (("_GROUP, _GROUP_FOR_A_FIRST = 4, 8", "_GROUP, _GROUP_FOR_A_FIRST = 4, 4"),),
        (UNIT + "http/test_shares.py::test_a_newcomer_of_a_greedy_group_gets_a_thread",),
    ),
    Defence(
        (33,),
        "a cancelled call that still runs counts as in flight",
        SRC + "connection/inflight.py",
        (
            (
                "        if is_untouched:\n            call.discard()\n",
                "        if not is_untouched:\n            self._schedule.ended(call)\n",
            ),
        ),
        (SECURITY + "test_storms.py::test_cancelling_is_no_way_around_the_cap",),
    ),
    Defence(
        (33,),
        "no depth of JSON is more than a refusal",
        SRC + "protocol/unreadable.py",
        (
            (
                "UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)",
                "UNREADABLE = (msgspec.DecodeError, UnicodeError)",
            ),
        ),
        (
            UNIT + "protocol/test_fields.py::test_no_depth_of_nesting_is_more_than_a_refusal",
            _frame("JSON that nests too deeply-in data"),
        ),
    ),
    Defence(
        (33,),
        "a connection keeps only so many cookies",
        SRC + "http/cookies.py",
        ((" and len(stored) < _MAX_COOKIES:", ":"),),
        (UNIT + "http/test_cookies.py::test_cookies_are_bounded",),
    ),
    Defence(
        (33,),
        "a stream without credit is gathered up to a limit",
        SRC + "connection/answers.py",
        (("        if self._room < 0:\n", "        if False:\n"),),
        (UNIT + "connection/test_answers.py::test_a_stream_too_large_to_be_gathered_is_refused",),
    ),
    Defence(
        (28,),
        "whatever a view does, its request is answered and the server stays",
        SRC + "http/handler.py",
        (("except (Exception, SystemExit):", "except ZeroDivisionError:"),),
        (
            UNIT + "http/test_handler.py::test_a_view_that_leaves_is_logged_and_the_process_stays",
            UNIT + "http/test_handler.py::test_a_receiver_of_the_start_that_raises_becomes_a_500",
        ),
    ),
)

_LIVE = UNIT + "connection/test_subscriptions.py::"
_REGISTRY = UNIT + "live/test_registry.py::"

LIVE = (
    Defence(
        (6, 29),
        "a stream of events is not for pages of a foreign origin",
        SRC + "asgi.py",
        (("place = self._check_door(scope, base, allow_no_origin=True)", 'place = ""'),),
        (ACCEPTANCE + "test_live.py::test_events_are_not_for_foreign_pages",),
    ),
    Defence(
        (10,),
        "a logout ends what is live for the user",
        SRC + "connection/subscriptions.py",
        (("[s for s in self._subscriptions.values() if s.by_session]", "[]"),),
        (_LIVE + "test_a_logout_on_the_own_connection_ends_what_was_answered_for_the_user",),
    ),
    Defence(
        (33,),
        "a connection has only so many live requests",
        SRC + "protocol/session.py",
        (("if self._subscribed >= most:", "if False:"),),
        (
            _LIVE + "test_one_more_than_may_be_live_is_refused",
            _LIVE + "test_subscriptions_that_have_not_begun_count",
        ),
    ),
    Defence(
        (33,),
        "what the live requests of a connection hold has a limit at every version",
        SRC + "connection/subscriptions.py",
        (("        if held > self.line.terms.limits.answer_bytes:\n", "        if False:\n"),),
        (
            _LIVE + "test_what_grows_past_what_may_be_held_is_ended",
            _LIVE + "test_what_a_slow_reader_did_not_see_grow_is_ended",
        ),
    ),
    Defence(
        (33,),
        "only so many views run again at a time",
        SRC + "live/turns.py",
        (("while self._ready and self._running < self._max_runs:", "while self._ready:"),),
        (_REGISTRY + "test_no_more_views_run_at_a_time_than_may",),
    ),
    Defence(
        (33,),
        "a view that hangs is not run again before it came back",
        SRC + "live/turns.py",
        ((" or group.hung is not None or ", " or "),),
        (_REGISTRY + "test_a_view_that_hangs_is_not_run_again_before_it_has_come_back",),
    ),
    Defence(
        (37,),
        "a live request shares a run with nobody who is another",
        SRC + "connection/subscriptions.py",
        (("headers, message.token, cookie, identity", "headers"),),
        (
            _LIVE + "test_visitors_of_different_cookies_never_share",
            _LIVE + "test_different_tokens_never_share",
            _LIVE + "test_connections_whose_handshakes_differ_never_share",
        ),
    ),
    Defence(
        (37,),
        "a live request runs again as whoever the cookies name by now",
        SRC + "connection/inflight.py",
        (("            self._subscriptions.refresh()\n", "            pass\n"),),
        (_LIVE + "test_a_cookie_that_an_answer_sets_makes_it_run_as_whom_it_names",),
    ),
    Defence(
        (37,),
        "a result is shared only where the response is public",
        SRC + "live/sharing.py",
        (("status != 200 or not is_public or ", "status != 200 or "),),
        (
            UNIT + "live/test_sharing.py::test_a_response_that_says_nothing_is_one_visitors",
            _LIVE + "test_visitors_of_different_cookies_never_share",
        ),
    ),
    Defence(
        (37,),
        "a response that sets a cookie is not shared, though it says that it is public",
        SRC + "connection/runs.py",
        (("        if self.sets_cookies:\n", "        if False:\n"),),
        (_LIVE + "test_an_answer_that_sets_a_cookie_is_not_public",),
    ),
    Defence(
        (37,),
        "a result that is public no longer is shown to nobody else",
        SRC + "live/registry.py",
        (("if is_public and result.shared_key != group.key:", "if False:"),),
        (
            _REGISTRY + "test_a_public_result_that_becomes_private_is_shown_to_nobody_else",
            _LIVE + "test_a_public_answer_is_shared_by_different_visitors",
        ),
    ),
)

DEFENCES = [*HANDSHAKE, *IDENTITY, *MESSAGES, *LIMITS, *LIVE]
