"""How often somebody unknown may create."""

from rest_framework.throttling import AnonRateThrottle


class AnonymousCreateThrottle(AnonRateThrottle):
    """Counts by client address, at the rate of DEMO_ANON_RATE; who is signed in is not counted."""

    scope = "anon_create"
