"""What a message may say and set, and what comes back or into the log."""

from tests.security.defences.defence import (
    ACCEPTANCE,
    SECURITY,
    SRC,
    UNIT,
    Defence,
    of_check,
    of_frame,
)

__all__ = ["MESSAGES"]

MESSAGES = (
    Defence(
        (11, 26),
        "log lines have paths without queries",
        SRC + "request/task.py",
        (("return split_url(self.message.url)[0]", "return self.message.url"),),
        (SECURITY + "test_logs.py::test_log_has_no_token_body_query_cookie_or_ticket",),
    ),
    Defence(
        (26,),
        "a refusal is logged without what was refused",
        SRC + "connection/log.py",
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
        "the log says who connected, what was refused, and how it ended",
        SRC + "connection/log.py",
        (("logger = logging.getLogger", 'logger = logging.getLogger("no") or logging.getLogger'),),
        (SECURITY + "test_logs.py::test_log_tells_who_came_what_was_refused_and_how_it_ended",),
    ),
    Defence(
        (25,),
        "no text of a client starts a log line",
        SRC + "server/refusals.py",
        (("return text if text.isprintable() else ascii(text)", "return text"),),
        (UNIT + "connection/test_log.py::test_what_a_client_chose_cannot_begin_a_line",),
    ),
    Defence(
        (25,),
        "no path starts a log line when the stack itself fails",
        SRC + "request/handler.py",
        (
            (
                'path = path.encode("unicode_escape").decode("ascii")',
                "path = str(path)",
            ),
        ),
        (SECURITY + "test_logs.py::test_a_url_begins_no_line_when_django_has_no_answer",),
    ),
    Defence(
        (25,),
        "a flood of refusals does not flood the log",
        SRC + "connection/log.py",
        (("logging.INFO if self._refusals == 1 else", "logging.INFO if True else"),),
        (UNIT + "connection/test_log.py::test_a_flood_of_refusals_is_one_line_and_a_count",),
    ),
    Defence(
        (11, 32),
        "a ticket comes in a header, which no form of another site can send",
        SRC + "server/endpoint.py",
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
        SRC + "server/endpoint.py",
        (("for c in redeemed if is_allowed_value(c)]", "for c in redeemed]"),),
        (SECURITY + "test_doors.py::test_cookie_that_could_split_a_response_is_left_out",),
    ),
    Defence(
        (16, 18),
        "nothing is evaluated or unpickled",
        SRC + "protocol/validation.py",
        (("import msgspec\n", "import msgspec\nimport pickle\n"),),
        (SECURITY + "test_source.py::test_source_evaluates_and_unpickles_nothing",),
    ),
    Defence(
        (19,),
        "serving opens no outgoing connection",
        SRC + "request/environ.py",
        (("import io\n", "import io\nimport urllib.request\n"),),
        (SECURITY + "test_source.py::test_source_calls_nobody",),
    ),
    Defence(
        (33,),
        "data of a GET has a limit",
        SRC + "protocol/validation.py",
        (("if len(bytes(data)) > MAX_QUERY_DATA_BYTES:", "if False:"),),
        (SECURITY + "test_storms.py::test_query_of_a_get_is_limited_before_it_is_encoded",),
    ),
    Defence(
        (14,),
        "there are seven methods",
        SRC + "protocol/validation.py",
        (("if upper not in METHODS or not method.isascii():", "if False:"),),
        (
            of_frame("a method that is not one of the seven-'TRACE'"),
            UNIT + "protocol/test_codec.py::test_frame_is_refused",
        ),
    ),
    Defence(
        (14,),
        "a message must have the shape of a message",
        SRC + "protocol/client_codec.py",
        (
            (
                "head = _head.decode(head_text)",
                "head = msgspec.json.Decoder(_Head, strict=False).decode(head_text)",
            ),
        ),
        (of_frame("another member of a wrong type, or out of its range-credit is a string"),),
    ),
    Defence(
        (15, 34),
        "a frame over the limit is refused before it is decoded",
        SRC + "protocol/client_codec.py",
        (("        check_size(frame, max_bytes)\n", "        pass\n"),),
        (
            UNIT + "protocol/test_validation.py"
            "::test_large_frame_is_refused_for_its_size_before_it_is_read",
        ),
    ),
    Defence(
        (15, 33),
        "unfinished bodies of a connection have a common limit",
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
        SRC + "protocol/validation.py",
        (
            ('if not url.startswith("/") or url.startswith("//"):', "if False:"),
            ('re.compile(r"/(?!/)[', 're.compile(r"/['),
        ),
        (
            of_frame(
                "an absolute URL, or one that does not start with a slash-'http://127.0.0.1/ready/'"
            ),
            of_frame("a URL that starts with two slashes-'//evil.example/'"),
        ),
    ),
    Defence(
        (31,),
        "url has no backslash, fragment or control character",
        SRC + "protocol/validation.py",
        (("    bad = _BAD_IN_URL.search(url)\n", "    bad = None\n"),),
        (of_frame("a fragment in the URL-'/ready/#top'"),),
    ),
    Defence(
        (31, 33),
        "url has a maximum length",
        SRC + "protocol/validation.py",
        (("MAX_URL_CHARACTERS = 8190", "MAX_URL_CHARACTERS = 2**30"),),
        (UNIT + "protocol/test_codec.py::test_frame_is_refused",),
    ),
    Defence(
        (30,),
        "headers that only fetch or a proxy sets are refused",
        SRC + "protocol/headers.py",
        (("return name in FORBIDDEN or name.startswith(FORBIDDEN_PREFIXES)", "return False"),),
        (
            UNIT
            + "protocol/test_validation.py::test_name_that_fetch_or_a_proxy_keeps_is_forbidden",
            UNIT + "protocol/test_validation.py::test_name_with_a_prefix_that_is_kept_is_forbidden",
            ACCEPTANCE + "test_headers.py::test_header_that_may_not_be_set_is_refused[Forwarded]",
            ACCEPTANCE + "test_headers.py::test_header_that_may_not_be_set_is_refused[Cookie]",
            ACCEPTANCE
            + "test_headers.py::test_header_that_may_not_be_set_is_refused[X-Forwarded-For]",
        ),
    ),
    Defence(
        (30,),
        "a live request, which runs again, cannot override its method with a header",
        SRC + "protocol/client_codec.py",
        (("        if name.lower() in _METHOD_OVERRIDES:\n", "        if False:\n"),),
        (UNIT + "protocol/test_codec.py::test_frame_is_refused",),
    ),
    Defence(
        (30,),
        "a header name is a token without an underscore",
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
            UNIT + "protocol/test_validation.py::test_allowed_values_are_printable_latin_1_and_tab",
            UNIT + "protocol/test_validation.py::test_token_is_judged_without_headers_too",
            ACCEPTANCE + "test_headers.py::test_header_that_is_malformed_is_refused",
        ),
    ),
    Defence(
        (33,),
        "the number of headers has a limit",
        SRC + "protocol/headers.py",
        (("MAX_HEADERS = 100", "MAX_HEADERS = 10**9"),),
        (UNIT + "protocol/test_codec.py::test_frame_is_refused",),
    ),
    Defence(
        (33,),
        "the size of headers has a limit",
        SRC + "protocol/headers.py",
        (("MAX_HEADER_CHARACTERS = 16384", "MAX_HEADER_CHARACTERS = 2**30"),),
        (UNIT + "protocol/test_codec.py::test_frame_is_refused",),
    ),
    Defence(
        (30,),
        "a message cannot replace a header that the handshake had",
        SRC + "request/exclusions.py",
        (("if lower in base.header_names and lower not in _REPLACEABLE:", "if False:"),),
        (
            UNIT + "request/test_requests.py::test_a_header_of_the_handshake_cannot_be_replaced",
            ACCEPTANCE + "test_headers.py"
            "::test_message_may_not_replace_another_header_of_the_handshake[uvicorn-sansio]",
        ),
    ),
    Defence(
        (30,),
        "a header that the project forbids is refused",
        SRC + "request/exclusions.py",
        (("        if lower in proxy_headers:\n", "        if False:\n"),),
        (
            UNIT + "request/test_requests.py::test_a_header_that_the_project_keeps_cannot_be_set",
            ACCEPTANCE
            + "test_headers.py::test_header_that_may_not_be_set_is_refused[X-Project-Secret]",
        ),
    ),
    Defence(
        (30,),
        "a token is refused if the project forbids Authorization",
        SRC + "request/exclusions.py",
        (('if message.token is not None and "authorization" in proxy_headers:', "if False:"),),
        (
            UNIT + "request/test_requests.py::test_a_token_is_a_header_that_the_project_keeps",
            UNIT + "connection/test_connection.py::test_a_token_can_be_the_projects_own_to_set",
        ),
    ),
    Defence(
        (30,),
        "the class of 2014 refuses such a token too",
        SRC + "contrib/classic.py",
        (('elif self.token and "authorization" in conf.trusted_proxy_headers:', "elif False:"),),
        (UNIT + "test_classic.py::test_a_token_is_a_header_that_the_project_keeps",),
    ),
    Defence(
        (30,),
        "a name that ends with a star forbids all names with that prefix",
        SRC + "protocol/headers.py",
        ((" or (isinstance(name, str) and name.startswith(self.prefixes))", ""),),
        (
            UNIT + "test_conf.py::test_trusted_proxy_headers_are_the_settings_own_and_djangos",
            ACCEPTANCE
            + "test_headers.py::test_header_that_may_not_be_set_is_refused[X-Projects-Tenant]",
        ),
    ),
    Defence(
        (30,),
        "messages do not inherit a header that ended with the handshake",
        SRC + "request/environ.py",
        (("if is_handshake and name in per_request:", "if False:"),),
        (
            UNIT + "request/test_environ.py::test_a_header_of_one_request_ends_with_the_handshake",
            ACCEPTANCE + "test_headers.py::test_header_of_one_request_ends_with_the_handshake",
        ),
    ),
    Defence(
        (30,),
        "the header of SECURE_PROXY_SSL_HEADER is refused",
        SRC + "conf.py",
        (("if self.scheme_header is not None:", "if False:"),),
        (UNIT + "test_conf.py::test_trusted_proxy_headers_are_the_settings_own_and_djangos",),
    ),
    Defence(
        (30,),
        "a message sets no META key but HTTP_* and CONTENT_TYPE",
        SRC + "request/environ.py",
        (
            (
                'environ[key if key == "CONTENT_TYPE" else "HTTP_" + key] = value',
                "environ[key] = value",
            ),
        ),
        (UNIT + "request/test_requests.py::test_headers_are_what_they_are_by_http",),
    ),
    Defence(
        (30,),
        "a handshake header with an underscore is not taken for one with a hyphen",
        SRC + "request/environ.py",
        ((' and "_" not in name:', ":"),),
        (
            UNIT + "request/test_environ.py::test_make_base_drops_headers_with_an_underscore",
            UNIT + "request/test_environ.py"
            "::test_an_underscore_does_not_replace_the_header_with_a_hyphen",
        ),
    ),
    Defence(
        (7, 30),
        "a message cannot name a referrer of another origin than its page's",
        SRC + "request/exclusions.py",
        (('    if not referrer.startswith(f"{base.origin}/"):\n', "    if False:\n"),),
        (
            UNIT + "request/test_requests.py"
            "::test_a_referrer_of_another_origin_or_of_a_proxy_is_refused",
            UNIT + "connection/test_connection.py"
            "::test_a_referrer_that_the_origin_does_not_vouch_for_reaches_no_view",
        ),
    ),
    Defence(
        (7, 30),
        "a message names no referrer without a browser's Origin, or if a proxy sets it",
        SRC + "request/exclusions.py",
        (("    if not takes_referrer(base, proxy_headers):\n", "    if False:\n"),),
        (
            UNIT + "request/test_requests.py"
            "::test_a_referrer_of_another_origin_or_of_a_proxy_is_refused",
        ),
    ),
    Defence(
        (7, 30),
        "the referrer of each message is checked before a view sees it",
        SRC + "connection/dispatcher.py",
        (("            if message.referrer is not None:\n", "            if False:\n"),),
        (
            UNIT + "connection/test_connection.py"
            "::test_a_referrer_that_the_origin_does_not_vouch_for_reaches_no_view",
        ),
    ),
    Defence(
        (30, 36),
        "a referrer is a URL of HTTP without control characters, fragment or credentials",
        SRC + "protocol/validation.py",
        (
            (
                "if len(referrer) > MAX_REFERRER_CHARACTERS or not _REFERRER.fullmatch(referrer):",
                "if False:",
            ),
        ),
        (UNIT + "protocol/test_codec.py::test_frame_is_refused",),
    ),
    Defence(
        (28,),
        "check W025: an installed server has vulnerabilities",
        SRC + "checks/deployment.py",
        (("(get_version_tuple(installed) or fixed) < fixed", "False"),),
        (UNIT + "test_checks.py::test_check_of_versions_finds_a_server_with_holes",),
    ),
    of_check(
        (30,),
        "E007",
        "a middleware trusts a header that messages may set",
        "users",
        "not is_forbidden(name.lower()) and name.lower() not in forbidden",
        "[E007 MIDDLEWARE whoever the header X-Portal-User names]",
    ),
    of_check(
        (30,),
        "E007",
        "a single view trusts a header that messages may set",
        "users",
        "isinstance(named, list | tuple)",
        "[E007 ROOT_URLCONF Deep PortalUserAuthentication logs in whoever]",
    ),
    Defence(
        (35,),
        "the client's address is that of the handshake",
        SRC + "request/environ.py",
        (
            (
                'environ["REMOTE_ADDR"] = environ["REMOTE_HOST"] = str(client[0])',
                'environ["REMOTE_ADDR"] = environ["REMOTE_HOST"] = "127.0.0.2"',
            ),
        ),
        (
            UNIT + "request/test_environ.py::test_make_base_takes_the_addresses_as_strings",
            ACCEPTANCE
            + "test_headers.py::test_meta_has_the_keys_that_it_has_over_http[uvicorn-sansio]",
        ),
    ),
    Defence(
        (31,),
        "messages cannot reach a path that the proxy guards",
        SRC + "connection/dispatcher.py",
        (
            (
                "            if self.config.excluded_paths:\n",
                "            if False:\n",
            ),
        ),
        (
            ACCEPTANCE + "test_excluded_paths.py::test_a_message_does_not_reach_what_is_excluded",
            ACCEPTANCE + "test_excluded_paths.py::test_a_script_name_is_no_way_around",
        ),
    ),
    Defence(
        (31,),
        "a path without a last slash excludes every path with that prefix, as a proxy's rule does",
        SRC + "request/exclusions.py",
        (
            (
                "path_info.startswith(path) or",
                'path_info == path or path_info.startswith(path.rstrip("/") + "/") or',
            ),
        ),
        (UNIT + "request/test_exclusions.py::test_a_path_is_excluded_as_a_proxy_guards_it",),
    ),
    Defence(
        (31,),
        "the class of 2014 cannot reach a path that the proxy guards",
        SRC + "contrib/classic.py",
        (("if conf.excluded_paths.covers(path_info):", "if False:"),),
        (UNIT + "test_classic.py::test_a_path_that_the_proxy_guards_is_refused",),
    ),
    Defence(
        (31,),
        "a stream of events cannot reach a path that the proxy guards",
        SRC + "asgi.py",
        (("            check_excluded(message.url, base, config.excluded_paths)\n", ""),),
        (
            ACCEPTANCE
            + "test_excluded_paths.py::test_what_is_excluded_is_there_by_http_and_not_by_events",
        ),
    ),
    Defence(
        (31,),
        "a response that a proxy should complete is never sent",
        SRC + "request/sender.py",
        (("        if internal is not None:\n", "        if False:\n"),),
        (
            ACCEPTANCE + "test_excluded_paths.py"
            "::test_an_answer_for_the_proxy_never_leaves[whole-X-Accel-Redirect]",
            ACCEPTANCE + "test_excluded_paths.py::test_a_live_answer_for_the_proxy_never_leaves",
        ),
    ),
)
