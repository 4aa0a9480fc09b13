"""Who somebody is: sessions, cookies, tickets, tokens, and nobody else's."""

from tests.security.defences.defence import ACCEPTANCE, SECURITY, SRC, UNIT, Defence

__all__ = ["IDENTITY"]

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
        (9, 30),
        "a message without a proxy's header ends no session",
        SRC + "http/remote_user.py",
        (("    if middleware.header in request.META:\n", "    if True:\n"),),
        (
            UNIT + "http/test_remote_user.py::test_a_session_goes_on_without_the_header",
            ACCEPTANCE
            + "test_remote_user.py::test_no_message_ends_a_session_for_want_of_the_header",
        ),
    ),
    Defence(
        (30,),
        "a message without a proxy's header is nobody's",
        SRC + "http/remote_user.py",
        (("    request.user, request.auser = nobody, auser\n", ""),),
        (
            UNIT + "http/test_remote_user.py::test_a_session_goes_on_without_the_header",
            ACCEPTANCE
            + "test_remote_user.py::test_no_message_ends_a_session_for_want_of_the_header",
        ),
    ),
    Defence(
        (30,),
        "the header Remote-User counts where HTTP of the process reads it, and nowhere else",
        SRC + "http/remote_user.py",
        (
            ("        if same is not None:\n", "        if True:\n            same = middleware\n"),
            ('    return f"HTTP_{header}" if is_asgi else header', '    return f"HTTP_{header}"'),
        ),
        (
            UNIT + "http/test_remote_user.py::test_a_user_is_named_at_all",
            UNIT + "http/test_remote_user.py::test_each_header_names_whom_it_names_by_http",
            ACCEPTANCE + "test_remote_user.py"
            "::test_beside_wsgi_a_header_that_no_proxy_takes_out_logs_nobody_in",
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
        (
            (
                "response = WSGIHandler.get_response(self._django, request)",
                "response = self._django._get_response(request)",
            ),
        ),
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
        (('"cookies": lines', '"cookies": [line.partition(";")[0] for line in lines]'),),
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
        "a session whose cookie came in quotes is found at logout",
        SRC + "http/cookies.py",
        (("str(_unquote(", "str(str("),),
        (
            UNIT + "http/test_cookies.py::test_a_cookie_is_read_as_django_reads_it",
            ACCEPTANCE + "test_accounts.py"
            "::test_logout_finds_a_session_whose_cookie_came_in_quotes[uvicorn-sansio]",
        ),
    ),
    Defence(
        (32,),
        "a cookie reaches the browser as soon as it would store something else",
        SRC + "http/set_cookie.py",
        (
            (
                "(shown.value, shown.flags) != (cookie.value, cookie.flags)",
                "shown.value != cookie.value",
            ),
            ("return shown.expires is not cookie.expires", "return False"),
            ("return moved > _SLACK_SECONDS", "return False"),
        ),
        (
            UNIT + "http/test_cookies.py"
            "::test_a_cookie_is_news_when_a_browser_would_store_something_else",
        ),
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
        (("has_changed = self._jar.update(", 'has_changed = CookieJar("").update('),),
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
                "CookieJar(base.cookie, base.path)",
                'globals().setdefault("_shared_jar", CookieJar(base.cookie, base.path))',
            ),
        ),
        (ACCEPTANCE + "test_accounts.py::test_login_holds_at_once[uvicorn-sansio]",),
    ),
    Defence(
        (37,),
        "what a request sets in its context ends with it",
        SRC + "http/lanes.py",
        (("own.copy().run(job.run)", "own.run(job.run)"),),
        (
            UNIT + "http/test_lanes.py::test_context_variables_of_a_job_end_with_it",
            SECURITY + "test_threads.py::test_a_thread_keeps_nothing_of_a_request",
        ),
    ),
    Defence(
        (37,),
        "each request has the URLs of its own mount point",
        SRC + "http/handler.py",
        (
            (
                "outcome.result = self._django(environ",
                'outcome.result = self._django({**environ, "SCRIPT_NAME": ""}',
            ),
        ),
        (UNIT + "http/test_handler.py::test_handle_sets_the_script_prefix",),
    ),
    Defence(
        (37,),
        "a thread has nothing of the request for which it was begun",
        SRC + "http/lanes.py",
        (("Context().run(thread.start)", "thread.start()"), ("own = Context()", "own = _here()"))
        + (("import Context\n", "import Context, copy_context as _here\n"),),
        (
            UNIT + "http/test_lanes.py::test_a_thread_has_nothing_of_the_context_that_begun_it",
            UNIT + "http/test_lanes.py::test_a_job_has_nothing_of_its_thread_s_own_context",
        ),
    ),
    Defence(
        (21, 37),
        "tickets and looks at sessions have one turn among the connections",
        SRC + "asgi.py",
        (("source=service.chores", "source=type(service.chores)()"),),
        (SECURITY + "test_threads.py::test_a_flood_of_tickets_has_one_turn",),
    ),
)
