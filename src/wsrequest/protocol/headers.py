"""Which headers a message may set, and which belong to one request alone (PROTOCOL.md 4.6).

Owns the rules that hold on every server. The headers that one server forbids, or that the
handshake had, are ``http``'s to refuse.
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

MAX_HEADERS = 100  # Apache's LimitRequestFields, gunicorn's limit_request_fields
MAX_HEADER_CHARACTERS = 16384  # all names and values together; nginx takes 4 x 8 KiB

_SHORT_CHARACTERS = 64  # the longest registered name has 44

# \x85 and the separators \x1c-\x1e split lines for str.splitlines (CVE-2026-44546); nothing over
# latin-1 can stand in a header, so fetch refuses it too.
_BAD_IN_VALUE = re.compile(r"[^\t\x20-\x7e\x80-\x84\x86-\xff]")
_NAME = re.compile(r"[!#$%&'*+.^`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2, without the underscore

# Fetch standard, "forbidden request-header".
_FETCH = """accept-charset accept-encoding connection content-length cookie cookie2 date dnt expect
host keep-alive origin referer set-cookie te trailer transfer-encoding upgrade via"""
_FETCH_PREFIXES = "access-control-request- proxy- sec-"

# A proxy in front takes these from what clients send by HTTP, and sets them itself; it cannot look
# into a WebSocket. Where a client is and how it came:
_ADDRESS = """client-ip do-connecting-ip early-data fly-client-ip forwarded forwarded-for
front-end-https incap-client-ip true-client-ip wl-proxy-client-ip x-client-ip x-cluster-client-ip
x-host x-nf-client-connection-ip x-real-ip x-scheme x-url-scheme"""
_ADDRESS_PREFIXES = """cf- cloudfront- fastly- fly-forwarded- x-amzn-tls- x-appengine- x-azure-
x-envoy- x-forwarded x-original- x-vercel-"""
# Who it is (RFC 9440, APISIX, Apigee, Authelia, authentik, AWS, Azure, Google, Grafana,
# ingress-nginx, Kong, Kubernetes, mod_auth_mellon, mod_auth_openidc, oauth2-proxy, Pomerium,
# Shibboleth, SiteMinder, Tailscale, Teleport, Vouch, WebSEAL, WSO2):
_IDENTITY = """cas-user eppn x-auth-user x-endpoint-api-userinfo x-id-token x-jwt-assertion x-user
x-userinfo x-username"""
# HTTP-: before Django 6.1 RemoteUserMiddleware's asynchronous half reads HTTP_ and its header.
_IDENTITY_PREFIXES = """client-cert http- impersonate- iv- mellon- oidc- remote- shib-
sm-universalid sm-user ssl- tailscale- teleport- x-amzn-lattice- x-amzn-mtls- x-amzn-oidc-
x-apigateway- x-arr- x-auth-request- x-authenticated- x-authentik- x-client-cert x-client-dn
x-client-subject x-client-verify x-consumer- x-credential- x-goog- x-ms- x-pomerium- x-remote-
x-ssl- x-tls-client- x-token- x-vouch- x-webauth-"""
# When it came to the proxy, from which monitoring takes how long it waited.
_QUEUED = "x-queue-start x-request-start"
# By this an application takes another path than the one that was checked.
_OVERRIDES = "x-rewrite-url"

# What one request is, where it stands in a trace, and on what condition it is made: those of a
# handshake are not those of a message.
ADDED_BY_HTTP = (
    # Names of a request (nginx, Envoy, Heroku, IIS).
    "request-id x-amzn-requestid x-correlation-id x-request-id x-trace-id x-transaction-id "
    # Traces (W3C, OpenTelemetry, Zipkin, Jaeger, OpenTracing, Sentry, AWS, Google, Datadog,
    # New Relic, Elastic, Dynatrace, SkyWalking, Application Insights).
    "b3 baggage correlation-context elastic-apm-traceparent grpc-trace-bin newrelic ot-tracer-* "
    "request-context sentry-trace sw8 sw8-* traceparent tracestate uber-trace-id uberctx-* "
    "x-amzn-trace-id x-b3-* x-cloud-trace-context x-datadog-* x-dynatrace x-newrelic-* x-ot-* "
    # What a request alone can want of those on its way (RFC 9110 7.6.2 and 10.1.1, RFC 9218).
    "expect max-forwards priority "
    f"{_QUEUED}"
).split()
"""Those of ``PER_REQUEST`` that browsers, proxies and tracing tools give HTTP by themselves."""

PER_REQUEST = [
    *ADDED_BY_HTTP,
    # A name that a client chooses (draft-ietf-httpapi-idempotency-key-header), conditions
    # (RFC 9110 13 and 14) and proofs of one request (RFC 9449, 9421, 9530).
    *"idempotency-key x-idempotency-key".split(),
    *"if-match if-modified-since if-none-match if-range if-unmodified-since range".split(),
    *"content-digest digest dpop repr-digest signature signature-input".split(),
]
"""Headers that end with the request that has them; ``*`` at the end stands for any characters."""

FORBIDDEN = frozenset(f"{_FETCH} {_ADDRESS} {_IDENTITY} {_QUEUED} {_OVERRIDES}".split())
FORBIDDEN_PREFIXES = tuple(f"{_FETCH_PREFIXES} {_ADDRESS_PREFIXES} {_IDENTITY_PREFIXES}".split())


@dataclass(frozen=True, slots=True)
class HeaderNames:
    """Names of headers, and beginnings of names, to look a name up in.

    Attributes:
        names: in lower case.
        prefixes: in lower case.
    """

    names: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()

    @classmethod
    def of(cls, patterns: Iterable[str]) -> "HeaderNames":
        """Return what ``patterns`` name, in any case; one that ends with ``*`` is a beginning."""
        lower = [pattern.lower() for pattern in patterns]
        return cls(
            frozenset(one for one in lower if not one.endswith("*")),
            tuple(one[:-1] for one in lower if one.endswith("*")),
        )

    def __contains__(self, name: object) -> bool:
        """Whether a name in lower case is among them."""
        return name in self.names or (isinstance(name, str) and name.startswith(self.prefixes))


def is_forbidden(name: str) -> bool:
    """Whether no message may set the header ``name`` (lower case) on any server."""
    return name in FORBIDDEN or name.startswith(FORBIDDEN_PREFIXES)


def is_allowed_value(value: str) -> bool:
    """Whether a header can have this value; true for one with white space around it, too."""
    return (value.isascii() and value.isprintable()) or not _BAD_IN_VALUE.search(value)


def check_headers(headers: dict[str, str]) -> None:
    """Check the headers of a message, and take the white space around their values off.

    Raises:
        Refused: ``bad_header``, naming the header.

    Source: PROTOCOL.md 4.6; RFC 9110 section 5.5.
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
    """A header's name in lower case, and what is wrong with it."""
    lower = name.lower()
    if not _NAME.fullmatch(name):
        return lower, f"header name {name[:40]!r} is not a token, or holds an underscore"
    if is_forbidden(lower):
        return lower, f"header {name[:40]} cannot be set by a message"
    return lower, None


# Clients repeat themselves. A peer chooses the names, so only short ones are kept.
_judge_short = lru_cache(maxsize=256)(_judge)
