"""Check the headers of messages, and list those that belong to one request (PROTOCOL.md 4.6).

These rules hold on every server. ``request.exclusions`` refuses the headers that one server keeps
to itself or that came with the handshake.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from wsrequest.errors import Refused

__all__ = [
    "ADDED_BY_HTTP",
    "FORBIDDEN",
    "FORBIDDEN_PREFIXES",
    "MAX_HEADERS",
    "MAX_HEADER_CHARACTERS",
    "PER_REQUEST",
    "HeaderNames",
    "check_headers",
    "is_allowed_value",
    "is_forbidden",
]

MAX_HEADERS = 100  # as Apache's LimitRequestFields and gunicorn's limit_request_fields
MAX_HEADER_CHARACTERS = 16384  # all names and values together (nginx accepts 4 x 8 KiB)

_SHORT_CHARACTERS = 64  # the longest registered name has 44 characters

# str.splitlines splits at \x85 and at the separators \x1c-\x1e (CVE-2026-44546). A header cannot
# hold characters outside Latin-1, so fetch refuses them too.
_BAD_IN_VALUE = re.compile(r"[^\t\x20-\x7e\x80-\x84\x86-\xff]")
_NAME = re.compile(r"[!#$%&'*+.^`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2, without the underscore

# Fetch standard, "forbidden request-header".
_FETCH = """accept-charset accept-encoding connection content-length cookie cookie2 date dnt expect
host keep-alive origin referer set-cookie te trailer transfer-encoding upgrade via"""
_FETCH_PREFIXES = "access-control-request- proxy- sec-"

# A proxy removes these from what clients send over HTTP and sets them itself, but it cannot look
# into a WebSocket. The address of a client, and how its request came:
_ADDRESS = """client-ip do-connecting-ip early-data fly-client-ip forwarded forwarded-for
front-end-https incap-client-ip true-client-ip wl-proxy-client-ip x-client-ip x-cluster-client-ip
x-host x-nf-client-connection-ip x-real-ip x-scheme x-url-scheme"""
_ADDRESS_PREFIXES = """cf- cloudfront- fastly- fly-forwarded- x-amzn-tls- x-appengine- x-azure-
x-envoy- x-forwarded x-original- x-vercel-"""
# The identity of a client (RFC 9440, APISIX, Apigee, Authelia, authentik, AWS, Azure, Google,
# Grafana, ingress-nginx, Kong, Kubernetes, mod_auth_mellon, mod_auth_openidc, oauth2-proxy,
# Pomerium, Shibboleth, SiteMinder, Tailscale, Teleport, Vouch, WebSEAL, WSO2):
_IDENTITY = """cas-user eppn x-auth-user x-endpoint-api-userinfo x-id-token x-jwt-assertion x-user
x-userinfo x-username"""
# HTTP-: before Django 6.1, the async half of RemoteUserMiddleware reads HTTP_ plus its header.
_IDENTITY_PREFIXES = """client-cert http- impersonate- iv- mellon- oidc- remote- shib-
sm-universalid sm-user ssl- tailscale- teleport- x-amzn-lattice- x-amzn-mtls- x-amzn-oidc-
x-apigateway- x-arr- x-auth-request- x-authenticated- x-authentik- x-client-cert x-client-dn
x-client-subject x-client-verify x-consumer- x-credential- x-goog- x-ms- x-pomerium- x-remote-
x-ssl- x-tls-client- x-token- x-vouch- x-webauth-"""
# When it reached the proxy, from which monitoring derives how long it was queued.
_QUEUED = "x-queue-start x-request-start"
# With this header, an application serves another path than the one that was checked.
_OVERRIDES = "x-rewrite-url"

# The name of a request, its place in a trace, and the conditions on which it is made. Those of a
# handshake do not apply to its messages.
ADDED_BY_HTTP = (
    # Names of a request (nginx, Envoy, Heroku, IIS).
    "request-id x-amzn-requestid x-correlation-id x-request-id x-trace-id x-transaction-id "
    # Traces (W3C, OpenTelemetry, Zipkin, Jaeger, OpenTracing, Sentry, AWS, Google, Datadog,
    # New Relic, Elastic, Dynatrace, SkyWalking, Application Insights).
    "b3 baggage correlation-context elastic-apm-traceparent grpc-trace-bin newrelic ot-tracer-* "
    "request-context sentry-trace sw8 sw8-* traceparent tracestate uber-trace-id uberctx-* "
    "x-amzn-trace-id x-b3-* x-cloud-trace-context x-datadog-* x-dynatrace x-newrelic-* x-ot-* "
    # What one request asks of the proxies on its way (RFC 9110 7.6.2 and 10.1.1, RFC 9218).
    "expect max-forwards priority "
    f"{_QUEUED}"
).split()
"""The ``PER_REQUEST`` headers that browsers, proxies and tracing tools add to HTTP on their own."""

PER_REQUEST = [
    *ADDED_BY_HTTP,
    # A name that a client chooses (draft-ietf-httpapi-idempotency-key-header), conditions
    # (RFC 9110 13 and 14), and proofs of one request (RFC 9449, 9421, 9530).
    *"idempotency-key x-idempotency-key".split(),
    *"if-match if-modified-since if-none-match if-range if-unmodified-since range".split(),
    *"content-digest digest dpop repr-digest signature signature-input".split(),
]
"""Headers that end with the request that has them. A final ``*`` stands for any characters."""

FORBIDDEN = frozenset(f"{_FETCH} {_ADDRESS} {_IDENTITY} {_QUEUED} {_OVERRIDES}".split())
FORBIDDEN_PREFIXES = tuple(f"{_FETCH_PREFIXES} {_ADDRESS_PREFIXES} {_IDENTITY_PREFIXES}".split())


@dataclass(frozen=True, slots=True)
class HeaderNames:
    """Header names and prefixes, for looking names up.

    Attributes:
        names: in lower case.
        prefixes: in lower case.
    """

    names: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()

    @classmethod
    def of(cls, patterns: Iterable[str]) -> "HeaderNames":
        """Return the names of ``patterns``, in any case. A final ``*`` makes one a prefix."""
        lower = [pattern.lower() for pattern in patterns]
        return cls(
            frozenset(one for one in lower if not one.endswith("*")),
            tuple(one[:-1] for one in lower if one.endswith("*")),
        )

    def __contains__(self, name: object) -> bool:
        """Whether a lower-case name is among them."""
        return name in self.names or (isinstance(name, str) and name.startswith(self.prefixes))


def is_forbidden(name: str) -> bool:
    """Whether messages may not set the header ``name`` (lower case), on any server."""
    return name in FORBIDDEN or name.startswith(FORBIDDEN_PREFIXES)


def is_allowed_value(value: str) -> bool:
    """Whether a header can have this value. White space around it is allowed."""
    return (value.isascii() and value.isprintable()) or not _BAD_IN_VALUE.search(value)


def check_headers(headers: dict[str, str]) -> None:
    """Check the headers of a message, and strip the white space around their values.

    Raises:
        Refused: ``bad_header``, naming the header.

    Source: PROTOCOL.md 4.6, RFC 9110 section 5.5.
    """
    if len(headers) > MAX_HEADERS:
        raise Refused("bad_header", f"{len(headers)} headers, the limit is {MAX_HEADERS}")
    size = 0
    seen = set()
    for name, value in headers.items():
        size += len(name) + len(value)
        if size > MAX_HEADER_CHARACTERS:
            raise Refused("bad_header", f"the headers have over {MAX_HEADER_CHARACTERS} characters")
        lower, fault = (_judge_short if len(name) <= _SHORT_CHARACTERS else _judge)(name)
        if fault:
            raise Refused("bad_header", fault)
        if lower in seen:
            raise Refused("bad_header", f"header {name} is given twice")
        seen.add(lower)
        if not is_allowed_value(value):
            raise Refused(
                "bad_header",
                f"the value of header {name} holds a character that HTTP does not allow",
            )
        headers[name] = value.strip(" \t")


def _judge(name: str) -> tuple[str, str | None]:
    """Return a header name in lower case, and what is wrong with it."""
    lower = name.lower()
    if not _NAME.fullmatch(name):
        return lower, f"header name {name[:40]!r} is not a token, or holds an underscore"
    if is_forbidden(lower):
        return lower, f"header {name[:40]} cannot be set by a message"
    return lower, None


# Clients repeat their headers. They also choose the names, so only short ones are cached.
_judge_short = lru_cache(maxsize=256)(_judge)
