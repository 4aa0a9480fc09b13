"""Who gets which events, and how much of them is kept."""

from tests.security.defences.defence import SRC, UNIT, Defence

__all__ = ["PUSH"]

_EVENTS = UNIT + "subscriptions/test_events.py::"
_REGISTRY = UNIT + "push/test_registry.py::"
_NAMES = UNIT + "push/test_events.py::"
_PRESENCE = UNIT + "push/test_presence.py::"

PUSH = (
    Defence(
        (37,),
        "a view that fails keeps nobody in a room",
        SRC + "subscriptions/subscription.py",
        (
            (
                "attendance.suspend()  # somebody whose permission is gone must not stay by",
                "pass  #",
            ),
        ),
        (
            _EVENTS + "test_view_that_fails_keeps_nobody_in",
            _EVENTS + "test_view_that_fails_and_then_refuses",
        ),
    ),
    Defence(
        (37,),
        "each run decides again who is in a room",
        SRC + "live/manager.py",
        (("            query.latest.audience = result.audience  # each run decides again\n", ""),),
        (_EVENTS + "test_rerun_decides_again_even_if_its_response_is_the_same",),
    ),
    Defence(
        (37,),
        "another identity gets no events of the one before",
        SRC + "subscriptions/subscription_set.py",
        (
            (
                "attendance.suspend()  # another identity must not get",
                "pass  #",
            ),
        ),
        (_EVENTS + "test_other_cookies_wait_for_their_own_run",),
    ),
    Defence(
        (37,),
        "a run for one client decides for no other who gets which events",
        SRC + "subscriptions/run.py",
        (("        if self.message.events:\n", "        if False:\n"),),
        (
            _EVENTS + "test_public_view_still_finds_each_user",
            _EVENTS + "test_public_view_still_decides_for_each_who_is_in_a_room",
        ),
    ),
    Defence(
        (37,),
        "a client is in no room unless it asks for events",
        SRC + "subscriptions/subscription_set.py",
        (
            ("if not message.events or registry is None", "if registry is None"),
            ("kinds, since = message.events,", 'kinds, since = ("room",),'),
        ),
        (_EVENTS + "test_client_that_does_not_ask_is_sent_nothing_and_is_in_no_room",),
    ),
    Defence(
        (26,),
        "the bus carries no key of a session",
        SRC + "push/events.py",
        (('    return _digest(b"session", session_key)\n', "    return session_key\n"),),
        (_NAMES + "test_session_is_named_by_no_key_that_opens_it",),
    ),
    Defence(
        (24, 33),
        "nothing is queued for a client that does not read its events",
        SRC + "push/registry.py",
        (("or queue.waiting_bytes >= queue.max_bytes", "or False"),),
        (
            _REGISTRY + "test_client_that_does_not_read_is_queued_nothing",
            _EVENTS + "test_client_that_does_not_read_while_its_room_is_busy",
        ),
    ),
    Defence(
        (33,),
        "rooms of a connection are limited",
        SRC + "push/attendance.py",
        (("        if count > self._max_rooms:\n", "        if False:\n"),),
        (_EVENTS + "test_too_many_rooms_refuse_the_live_request_and_harm_no_other",),
    ),
    Defence(
        (33,),
        "rooms count in the memory of live requests",
        SRC + "subscriptions/subscription_set.py",
        (
            (
                "        more = count * _ROOM_BYTES - subscription.room_bytes\n",
                "        more = 0\n",
            ),
        ),
        (_EVENTS + "test_rooms_count_in_the_memory_of_live_requests",),
    ),
    Defence(
        (33,),
        "members with many memberships leave room for others",
        SRC + "push/own_members.py",
        (("shares = 2 if memberships < _FEW_MEMBERSHIPS else 1\n", "shares = 1\n"),),
        (
            _PRESENCE + "test_connection_with_many_members_keeps_nobody_out_of_a_room",
            _PRESENCE + "test_info_that_is_too_much_for_all_keeps_nobody_with_few_rooms_out",
        ),
    ),
    Defence(
        (33,),
        "the members that a process announces are limited",
        SRC + "push/own_members.py",
        (
            (
                "            and held_bytes + more_bytes <= shares * self._limits.total_bytes\n",
                "",
            ),
        ),
        (_PRESENCE + "test_info_that_is_too_much_for_all_keeps_nobody_with_few_rooms_out",),
    ),
    Defence(
        (33,),
        "what other processes must learn about members is limited while the bus is down",
        SRC + "push/presence.py",
        (("elif self._own.drop_unsaid():", "elif False:"),),
        (_PRESENCE + "test_visits_while_the_bus_is_down_take_bounded_memory",),
    ),
    Defence(
        (33,),
        "what a process holds of the members of another is limited",
        SRC + "push/presence.py",
        (("if total.get(epoch, 0) + more <= self._max_bytes:", "if True:"),),
        (_PRESENCE + "test_process_cannot_make_another_hold_more_than_its_limit",),
    ),
)
