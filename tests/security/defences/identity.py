"""Who somebody is: sessions, cookies, tickets, tokens, and nobody else's."""

from tests.security.defences.defence import ACCEPTANCE, SECURITY, SRC, UNIT, Defence

__all__ = ["IDENTITY"]

IDENTITY = (
    Defence(
        (7,),
        "without Origin, Django requires the CSRF token",
        SRC + "request/environ.py",
        (
            (
                "    if base.origin is not None:\n        # The Origin of the handshake was",
                "    if True:\n        # The Origin of the handshake was",
            ),
        ),
        (
            UNIT + "request/test_requests.py::test_without_origin_django_checks_the_token",
            ACCEPTANCE + "test_csrf.py::test_csrf_token_is_needed_without_origin[uvicorn-sansio]",
        ),
    ),
    Defence(
        (9, 30),
        "a message without a proxy's header ends no session",
        SRC + "request/remote_user.py",
        (
            (
                '    if middleware.header in request.META or not hasattr(request, "websocket"):\n',
                "    if True:\n",
            ),
        ),
        (
            UNIT + "request/test_remote_user.py::test_a_session_goes_on_without_the_header",
            ACCEPTANCE
            + "test_remote_user.py::test_no_message_ends_a_session_for_want_of_the_header",
        ),
    ),
    Defence(
        (30,),
        "a message without a proxy's header is anonymous",
        SRC + "request/remote_user.py",
        (("    request.user, request.auser = nobody, auser\n", ""),),
        (
            UNIT + "request/test_remote_user.py::test_a_session_goes_on_without_the_header",
            ACCEPTANCE
            + "test_remote_user.py::test_no_message_ends_a_session_for_want_of_the_header",
        ),
    ),
    Defence(
        (30,),
        "the header Remote-User counts only if HTTP of the same process reads it",
        SRC + "request/remote_user.py",
        (
            ("        if same is not None:\n", "        if True:\n            same = middleware\n"),
            ('    return f"HTTP_{header}" if is_asgi else header', '    return f"HTTP_{header}"'),
        ),
        (
            UNIT + "request/test_remote_user.py::test_a_user_is_named_at_all",
            UNIT + "request/test_remote_user.py::test_each_header_names_whom_it_names_by_http",
            ACCEPTANCE + "test_remote_user.py"
            "::test_beside_wsgi_a_header_that_no_proxy_takes_out_logs_nobody_in",
        ),
    ),
    Defence(
        (9,),
        "a socket closes when its session has ended",
        SRC + "connection/timeouts.py",
        (("            watched.session_is_due()\n", "            pass\n"),),
        (
            UNIT + "connection/test_timeouts.py::test_a_session_is_looked_at_from_time_to_time",
            SECURITY + "test_sessions.py::test_an_idle_socket_is_closed_when_its_session_ends",
        ),
    ),
    Defence(
        (9,),
        "a session has ended if its user may not log in any more",
        SRC + "connection/identity.py",
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
        "requests of one connection do not share an environ",
        SRC + "request/environ.py",
        (("environ = base.environ.copy()", "environ = base.environ"),),
        (
            UNIT + "request/test_requests.py"
            "::test_requests_of_one_connection_do_not_share_their_environ",
            ACCEPTANCE + "test_data.py::test_token_is_of_its_message_only",
        ),
    ),
    Defence(
        (5, 13),
        "every message runs through MIDDLEWARE",
        SRC + "request/handler.py",
        (
            (
                "response = WSGIHandler.get_response(self._django, request)",
                "response = self._django._get_response(request)",
            ),
        ),
        (
            UNIT + "request/test_handler.py::test_handle_runs_middleware_around_the_view",
            ACCEPTANCE + "test_views.py::test_middleware_runs_around_every_view[uvicorn-sansio]",
            ACCEPTANCE + "test_accounts.py"
            "::test_deactivated_user_is_nobody_on_the_next_message[uvicorn-sansio]",
            ACCEPTANCE + "test_accounts.py::test_logout_elsewhere_holds_on_the_next_message",
        ),
    ),
    Defence(
        (6, 7),
        "only pages of the server's own origin get a CSRF token",
        SRC + "request/sender.py",
        (("if base.origin is not None and base.is_same_origin:", "if True:"),),
        (
            UNIT + "connection/test_csrf_token.py"
            "::test_a_page_of_another_origin_is_told_no_token[http://other.example]",
        ),
    ),
    Defence(
        (17, 32),
        "a ticket works once: only one request can delete it",
        SRC + "server/ticket_store.py",
        (
            ("        if not counts.get(rows.model._meta.label):\n", "        if False:\n"),
            (
                "return record if self._cache.delete(_RECORD + key) and isinstance(record, dict)",
                "return record if isinstance(record, dict)",
            ),
            ("            os.unlink(path)\n", "            pass\n"),
        ),
        (
            UNIT + "server/test_tickets.py::test_a_ticket_works_once[no-sessions]",
            UNIT + "server/test_tickets.py::test_a_ticket_works_once[files]",
            UNIT + "server/test_tickets.py::test_of_two_that_found_the_same_row_one_has_it",
        ),
    ),
    Defence(
        (17, 32),
        "a used ticket leaves nothing behind",
        SRC + "server/ticket_store.py",
        (("_, counts = rows.delete()", "counts = {rows.model._meta.label: 1}"),),
        (
            UNIT + "server/test_tickets.py::test_a_ticket_works_once[database]",
            UNIT + "server/test_tickets.py::test_a_spent_ticket_leaves_no_session_behind",
        ),
    ),
    Defence(
        (17, 32),
        "a ticket works only for its origin",
        SRC + "server/tickets.py",
        ((' or record["origin"] != origin', ""),),
        (
            UNIT
            + "server/test_tickets.py::test_a_ticket_is_for_one_origin[https://evil.example-database]",
        ),
    ),
    Defence(
        (17, 32),
        "a ticket works only in its browser, by a cookie that no script sees",
        SRC + "server/tickets.py",
        (
            (
                'if not record["browser"] or not set(record["browser"]) <= set(browser):',
                "if False:",
            ),
        ),
        (
            UNIT + "server/test_tickets.py::test_a_ticket_is_for_one_browser",
            UNIT + "test_asgi.py::test_a_ticket_of_another_browser_is_refused",
            ACCEPTANCE + "test_accounts.py"
            "::test_what_a_script_carries_away_is_worth_nothing_elsewhere[uvicorn-sansio]",
        ),
    ),
    Defence(
        (17, 32),
        "no script sees the browser's cookie, or plants it if that can be prevented",
        SRC + "server/browser_binding.py",
        (
            ("; HttpOnly; SameSite=Strict", "; SameSite=Strict"),
            ('"__Http-wsrequest_"', '"wsrequest_tls_"'),
            ("if len(digests) <= _MOST else ()", "if digests else ()"),
        ),
        (
            UNIT + "test_asgi.py"
            "::test_a_browser_gets_the_cookie_that_binds_its_tickets_with_its_first_socket",
            UNIT + "test_asgi.py::test_by_tls_the_cookie_is_one_that_no_script_can_plant",
            UNIT + "test_asgi.py::test_cookies_that_a_script_has_planted_by_the_hundred_are_none",
        ),
    ),
    Defence(
        (1, 17),
        "host, TLS and origin are checked for a ticket as for a handshake",
        SRC + "server/endpoint.py",
        (
            (
                "        await _respond(send, refused.status, shared, refused.detail)\n"
                "        return\n",
                "        del refused\n",
            ),
        ),
        (
            UNIT + "test_asgi.py::test_tls_is_demanded_for_a_ticket_as_for_a_handshake",
            UNIT + "test_asgi.py::test_a_foreign_host_is_refused_for_a_ticket_as_for_a_handshake",
        ),
    ),
    Defence(
        (17, 32),
        "a ticket does not undo a cookie that the browser got elsewhere",
        SRC + "request/browser_cookies.py",
        (("return set(shown.values(name)) <= set(expected.split())", "return True"),),
        (
            UNIT + "server/test_tickets.py"
            "::test_a_ticket_changes_a_cookie_only_if_it_is_what_the_connection_started_from",
            UNIT + "server/test_tickets.py"
            "::test_of_two_tickets_that_wait_the_later_one_counts_in_any_order",
            UNIT + "test_asgi.py"
            "::test_a_ticket_overrules_no_cookie_that_the_browser_has_got_by_http",
        ),
    ),
    Defence(
        (33,),
        "the Cookie header of a request is read once for all lines of a ticket",
        SRC + "request/browser_cookies.py",
        (("        if self._values is None:\n", "        if True:\n"),),
        (
            UNIT + "server/test_tickets.py"
            "::test_the_cookie_header_is_read_once_whatever_a_ticket_has[64]",
        ),
    ),
    Defence(
        (33, 34),
        "a ticket that another replaced is not kept",
        SRC + "request/browser_cookies.py",
        (("        if upper._height < lower._height:\n", "        if True:\n"),),
        (UNIT + "server/test_tickets.py::test_tickets_that_gave_way_are_kept_by_nobody",),
    ),
    Defence(
        (17, 32),
        "the server forgets what a browser held before a ticket that it redeemed",
        SRC + "server/tickets.py",
        (("return not issue.is_stored or self._store.has(issue.key)", "return True"),),
        (
            UNIT + "server/test_tickets.py"
            "::test_a_logout_by_http_is_not_undone_by_a_connection_that_logged_in",
        ),
    ),
    Defence(
        (17, 32),
        "a ticket that takes over restores no older cookies",
        SRC + "server/tickets.py",
        (("line.ends > now and hash(key) not in later", "line.ends > now"),),
        (
            UNIT + "server/test_tickets.py"
            "::test_a_ticket_that_takes_over_replays_nothing_older[/elsewhere]",
        ),
    ),
    Defence(
        (33, 34),
        "a ticket has a maximum size, and the cookies that it takes over keep their expiry",
        SRC + "server/tickets.py",
        (
            ("_MAX_LINES = 64", "_MAX_LINES = 2**40"),
            ("_MAX_BYTES = 32_768", "_MAX_BYTES = 2**40"),
            ("(line := _Line(*entry)).ends > now]", "(line := _Line(*entry))]"),
        ),
        (
            UNIT + "server/test_tickets.py::test_tickets_that_nobody_redeems_do_not_grow",
            UNIT + "server/test_tickets.py::test_what_is_taken_over_keeps_its_time",
        ),
    ),
    Defence(
        (33, 34),
        "a ticket that is not stored yet is not taken over",
        SRC + "server/tickets.py",
        (("for earlier in issues if earlier.is_stored]", "for earlier in issues]"),),
        (UNIT + "server/test_tickets.py::test_what_is_still_to_be_stored_is_not_taken_over",),
    ),
    Defence(
        (17,),
        "a ticket expires by itself, whatever its store does",
        SRC + "server/tickets.py",
        (('record["ends"] <= now or ', ""),),
        (UNIT + "server/test_tickets.py::test_a_ticket_ends_although_its_store_forgets_to",),
    ),
    Defence(
        (17,),
        "a session store gets the expiry of a ticket",
        SRC + "server/ticket_store.py",
        (
            (
                "self._cache.set(_RECORD + key, record, seconds)",
                "self._cache.set(_RECORD + key, record, None)",
            ),
            ("    store.set_expiry(seconds)\n", ""),
        ),
        (
            UNIT + "server/test_tickets.py::test_a_ticket_in_the_cache_ends_by_itself",
            UNIT + "server/test_tickets.py"
            "::test_clearsessions_knows_when_a_ticket_in_the_database_has_ended",
        ),
    ),
    Defence(
        (32,),
        "a session cannot pass for a ticket, nor a ticket for a session",
        SRC + "server/tickets.py",
        (
            (
                'salted_hmac("wsrequest.ticket", ticket, algorithm="sha256").hexdigest()[:32]',
                "ticket",
            ),
            ("secrets.token_urlsafe(24)", "secrets.token_hex(16)"),
        ),
        (UNIT + "server/test_tickets.py::test_a_ticket_is_no_key_of_a_session",),
    ),
    Defence(
        (33, 34),
        "tickets that no browser fetches do not pile up",
        SRC + "server/tickets.py",
        (
            ("stored[: max(len(issues) - _MOST_UNFETCHED, 0)]", "stored[:0]"),
            ("            self._store.drop(ended)\n", "            pass\n"),
        ),
        (
            UNIT + "server/test_tickets.py"
            "::test_a_browser_that_fetches_nothing_has_eight_rows_and_loses_no_cookie",
            UNIT + "server/test_tickets.py::test_what_nobody_fetched_in_time_is_swept",
        ),
    ),
    Defence(
        (8, 32),
        "a cookie reaches the browser with all its attributes",
        SRC + "server/tickets.py",
        (("_Line(cookie.line, values,", '_Line(cookie.line.partition(";")[0], values,'),),
        (
            UNIT + "server/test_tickets.py::test_a_ticket_is_redeemed_for_its_cookies",
            ACCEPTANCE + "test_accounts.py"
            "::test_cookies_are_not_shown_to_a_browser_but_exchanged_for_a_ticket[uvicorn-sansio]",
        ),
    ),
    Defence(
        (32,),
        "a logout finds a session whose cookie came in quotes",
        SRC + "request/cookies.py",
        (("str(_unquote(", "str(str("),),
        (
            UNIT + "request/test_cookies.py::test_a_cookie_is_read_as_django_reads_it",
            ACCEPTANCE + "test_accounts.py"
            "::test_logout_finds_a_session_whose_cookie_came_in_quotes[uvicorn-sansio]",
        ),
    ),
    Defence(
        (32,),
        "a cookie reaches the browser whenever it would store something else",
        SRC + "request/set_cookie.py",
        (
            (
                "(shown.value, shown.flags) != (cookie.value, cookie.flags)",
                "shown.value != cookie.value",
            ),
            ("return shown.expires is not cookie.expires", "return False"),
            ("return moved > _SLACK_SECONDS", "return False"),
        ),
        (
            UNIT + "request/test_cookies.py"
            "::test_a_cookie_is_news_when_a_browser_would_store_something_else",
        ),
    ),
    Defence(
        (32,),
        "scripts of a browser never see Set-Cookie",
        SRC + "request/response.py",
        (("        if show_cookies:\n", "        if True:\n"),),
        (
            UNIT + "request/test_response.py::test_headers_of_hides_cookies_from_scripts",
            UNIT + "request/test_response.py"
            "::test_headers_of_hides_a_cookie_that_was_written_as_a_header",
        ),
    ),
    Defence(
        (32, 13),
        "a login over the socket moves the connection to the new session",
        SRC + "connection/identity.py",
        (("has_changed = self.cookies.update(", 'has_changed = CookieJar("").update('),),
        (
            ACCEPTANCE + "test_accounts.py::test_login_holds_at_once[uvicorn-sansio]",
            UNIT + "connection/test_connection.py"
            "::test_a_cookie_that_a_response_sets_goes_with_the_next_request",
        ),
    ),
    Defence(
        (37,),
        "each connection has its own cookies",
        SRC + "connection/identity.py",
        (
            (
                "CookieJar(base.cookie, base.path)",
                'globals().setdefault("_shared_jar", CookieJar(base.cookie, base.path))',
            ),
        ),
        (ACCEPTANCE + "test_accounts.py::test_login_holds_at_once[uvicorn-sansio]",),
    ),
    Defence(
        (37,),
        "what a request sets in its context ends with the request",
        SRC + "workers/pool.py",
        (("own.copy().run(job.run)", "own.run(job.run)"),),
        (
            UNIT + "workers/test_pool.py::test_context_variables_of_a_job_end_with_it",
            SECURITY + "test_threads.py::test_a_thread_keeps_nothing_of_a_request",
        ),
    ),
    Defence(
        (37,),
        "each request has the URLs of its own mount point",
        SRC + "request/handler.py",
        (
            (
                "outcome.result = self._django(environ",
                'outcome.result = self._django({**environ, "SCRIPT_NAME": ""}',
            ),
        ),
        (UNIT + "request/test_handler.py::test_handle_sets_the_script_prefix",),
    ),
    Defence(
        (37,),
        "a thread keeps nothing of the request that it was started for",
        SRC + "workers/pool.py",
        (("Context().run(thread.start)", "thread.start()"), ("own = Context()", "own = _here()"))
        + (("import Context\n", "import Context, copy_context as _here\n"),),
        (
            UNIT + "workers/test_pool.py::test_a_thread_has_nothing_of_the_context_that_begun_it",
            UNIT + "workers/test_pool.py::test_a_job_has_nothing_of_its_thread_s_own_context",
        ),
    ),
    Defence(
        (21, 37),
        "tickets and session checks take one turn among the connections",
        SRC + "wiring.py",
        (("queue_key=server.chores", "queue_key=type(server.chores)()"),),
        (SECURITY + "test_threads.py::test_a_flood_of_tickets_has_one_turn",),
    ),
)
