"""Who is let in: the Origin, the Host, TLS, and what is agreed in the handshake."""

from tests.security.defences.defence import (
    ACCEPTANCE,
    CHECKS,
    SECURITY,
    SRC,
    UNIT,
    Defence,
    of_check,
)

__all__ = ["HANDSHAKE"]

HANDSHAKE = (
    Defence(
        (2, 6),
        "the Origin check also covers drafts before RFC 6455, which use another header name",
        SRC + "server/admission.py",
        (('value.strip() != b"13"', "False"),),
        (
            UNIT + "server/test_handshake.py::test_a_draft_of_the_protocol_is_refused",
            SECURITY + "test_servers.py"
            "::test_handshake_of_another_protocol_is_refused[daphne-draft-of-2011]",
        ),
    ),
    Defence(
        (6, 29),
        "a foreign origin is refused",
        SRC + "server/admission.py",
        (
            (
                "if not base.is_same_origin and origin not in {allowed.lower() for allowed in "
                "allowed_origins}:",
                "if False:",
            ),
        ),
        (
            UNIT + "server/test_handshake.py::test_a_foreign_origin_is_refused",
            UNIT + "server/test_handshake.py::test_an_origin_is_allowed_as_a_whole",
            UNIT + "test_asgi.py::test_a_foreign_page_is_refused[headers0-403]",
            ACCEPTANCE + "test_handshake.py::test_origin_that_is_foreign_is_refused_with_403",
        ),
    ),
    Defence(
        (6,),
        "an origin is compared as a whole",
        SRC + "server/admission.py",
        (
            ("base.is_same_origin = origin == own", "base.is_same_origin = origin.startswith(own)"),
            (
                "origin not in {allowed.lower() for allowed in allowed_origins}",
                "not any(a.lower() in origin for a in allowed_origins)",
            ),
        ),
        (
            UNIT + "server/test_handshake.py::test_a_foreign_origin_is_refused[host-as-prefix]",
            UNIT + "server/test_handshake.py::test_an_origin_is_allowed_as_a_whole",
            ACCEPTANCE + "test_handshake.py::test_origin_that_is_foreign_is_refused_with_403",
        ),
    ),
    Defence(
        (29,),
        "no CSRF setting changes the Origin check",
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
        SRC + "server/admission.py",
        (
            ("import Iterable\n", "import Iterable\n\nfrom django.conf import settings\n"),
            ("        check_handshake(\n", "        settings.MIDDLEWARE and check_handshake(\n"),
        ),
        (SECURITY + "test_doors.py::test_origin_is_checked_without_any_middleware",),
    ),
    Defence(
        (6,),
        "a handshake without Origin is refused if the setting says so",
        SRC + "server/admission.py",
        (("if not allow_missing_origin:", "if False:"),),
        (
            UNIT + "server/test_handshake.py"
            "::test_without_origin_a_handshake_is_refused_where_the_setting_says_so",
        ),
    ),
    Defence(
        (6,),
        "the Host must be one of ALLOWED_HOSTS, or DNS rebinding passes",
        SRC + "server/admission.py",
        (("host = request.get_host()", "host = request._get_raw_host()"),),
        (
            UNIT + "server/test_handshake.py"
            "::test_a_rebound_host_is_refused_although_the_origin_says_the_same",
            ACCEPTANCE + "test_handshake.py::test_host_that_is_not_allowed_is_refused",
        ),
    ),
    Defence(
        (6,),
        "a page of another site cannot embed a stream of events without Origin",
        SRC + "asgi.py",
        (("            check_embedding(base)\n", ""),),
        (
            UNIT + "test_asgi.py"
            "::test_a_stream_of_events_is_none_for_a_page_elsewhere_that_embeds_it",
        ),
    ),
    Defence(
        (6,),
        "a page of another site cannot embed a stream of events",
        SRC + "connection/sse.py",
        (("            *NOT_EMBEDDED,\n", ""),),
        (
            UNIT + "test_asgi.py"
            "::test_a_stream_of_events_is_none_for_a_page_elsewhere_that_embeds_it",
        ),
    ),
    Defence(
        (25,),
        "a flood of refused handshakes is logged as one line and a count",
        SRC + "server/refusals.py",
        (
            ("        if counts is not None:\n", "        if False:\n"),
            ("        elif len(self._further) >= _PLACES:\n", "        elif False:\n"),
        ),
        (
            UNIT + "server/test_refusals.py"
            "::test_a_flood_of_refused_handshakes_is_one_line_and_a_sum",
            UNIT + "server/test_refusals.py::test_many_addresses_are_a_sum_of_their_own",
            UNIT + "test_asgi.py::test_a_flood_of_refused_handshakes_is_one_line_and_a_sum",
        ),
    ),
    Defence(
        (25,),
        "a line about a refused handshake is short, whatever the client sent",
        SRC + "server/refusals.py",
        (("    if len(text) <= _MOST_CHARACTERS:\n", "    if True:\n"),),
        (UNIT + "server/test_refusals.py::test_a_line_stays_one_line_and_short",),
    ),
    of_check(
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
        SRC + "server/admission.py",
        (("if needs_tls and not base.is_secure:", "if False:"),),
        (
            UNIT
            + "server/test_handshake.py::test_a_handshake_without_tls_is_refused_where_it_must",
            SECURITY + "test_doors.py::test_socket_without_tls_is_refused_where_http_is_redirected",
        ),
    ),
    of_check(
        (1,),
        "W022",
        "TLS ends where Django cannot see it",
        "deployment",
        'conf.django("SECURE_SSL_REDIRECT")',
        "[W022 SECURE_SSL_REDIRECT without SECURE_PROXY_SSL_HEADER]",
    ),
    of_check(
        (1, 6),
        "W024",
        "an origin is not encrypted",
        "deployment",
        'origin.lower().startswith("http://")',
        "[W024 WSREQUEST_ALLOWED_ORIGINS 'http://a.example']",
    ),
    of_check(
        (8,),
        "W021",
        "the session cookie is not SameSite",
        "deployment",
        'str(same_site).lower() not in ("lax", "strict")',
        "[W021 SESSION_COOKIE_SAMESITE is None,]",
    ),
    of_check(
        (4,),
        "W006",
        "pings are rarer than a proxy allows",
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
