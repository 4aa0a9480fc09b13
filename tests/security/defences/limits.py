"""What a peer, an address or a process may have at most.

Long because it is a table: each entry is a patch of the source and the tests that notice it.
"""

from tests.security.defences.defence import ACCEPTANCE, SECURITY, SRC, UNIT, Defence

__all__ = ["LIMITS"]

LIMITS = (
    Defence(
        (33, 34),
        "a cookie has a maximum size, as in a browser",
        SRC + "request/set_cookie.py",
        (
            ("MAX_PAIR_BYTES = 4096", "MAX_PAIR_BYTES = 2**40"),
            ("MAX_ATTRIBUTE_BYTES = 1024", "MAX_ATTRIBUTE_BYTES = 2**40"),
        ),
        (
            UNIT + "request/test_set_cookie.py::test_a_cookie_has_a_largest_size[one-more]",
            UNIT + "request/test_set_cookie.py::test_an_attribute_that_is_too_long_is_left_out",
        ),
    ),
    Defence(
        (33, 34),
        "the cookies of a connection are bounded in bytes",
        SRC + "request/cookies.py",
        (
            ("_MAX_BYTES = 65_536", "_MAX_BYTES = 2**40"),
            ("gone |= {hash(key)}", "gone |= {key}"),
        ),
        (
            UNIT
            + "request/test_cookies.py::test_what_a_jar_keeps_is_bounded_in_bytes[many-values]",
            UNIT + "request/test_cookies.py::test_what_a_jar_keeps_is_bounded_in_bytes[deletions]",
        ),
    ),
    Defence(
        (20,),
        "an IPv6 client counts by its network",
        SRC + "server/admission.py",
        (('return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"', "return address"),),
        (
            SECURITY + "test_storms.py::test_sockets_are_counted_by_the_network_of_an_ipv6_client",
            SECURITY + "test_storms.py"
            "::test_an_ipv6_client_has_only_so_many_sockets_whatever_address_it_takes",
        ),
    ),
    Defence(
        (33, 34),
        "long header names of a handshake are not cached",
        SRC + "request/environ.py",
        ((" if short else _make_meta_key(name)", ""),),
        (UNIT + "request/test_environ.py::test_names_that_strangers_choose_are_not_remembered",),
    ),
    Defence(
        (33, 34),
        "an unusual set of header names is not cached",
        SRC + "request/environ.py",
        (("_names(tuple(headers)) if is_usual else frozenset(headers)", "_names(tuple(headers))"),),
        (UNIT + "request/test_environ.py::test_names_that_strangers_choose_are_not_remembered",),
    ),
    Defence(
        (33, 34),
        "long header names of messages are not cached",
        SRC + "protocol/headers.py",
        (("if len(name) <= _SHORT_CHARACTERS else _judge)", ")"),),
        (
            UNIT + "protocol/test_validation.py"
            "::test_long_texts_that_a_peer_chose_are_not_remembered[_name]",
        ),
    ),
    Defence(
        (33, 34),
        "long media types are not cached",
        SRC + "protocol/content.py",
        (("if len(media_type) <= _SHORT_CHARACTERS else _kind)", ")"),),
        (
            UNIT + "protocol/test_validation.py"
            "::test_long_texts_that_a_peer_chose_are_not_remembered[_type]",
        ),
    ),
    Defence(
        (21,),
        "reading from a connection has a rate limit",
        SRC + "connection/connection.py",
        (("return max(0.0, self._due - now)", "return 0.0"),),
        (
            SECURITY + "test_storms.py::test_a_flood_of_messages_waits_to_be_read",
            UNIT + "connection/test_token_bucket.py"
            "::test_frames_beyond_the_first_second_s_take_their_time",
        ),
    ),
    Defence(
        (21,),
        "a connection that floods leaves others their turn",
        SRC + "connection/connection.py",
        (
            (
                "self._is_resting = self._token_bucket.is_turn_over()",
                "self._token_bucket.is_turn_over()",
            ),
        ),
        (SECURITY + "test_storms.py::test_a_flood_of_messages_leaves_others_their_turn",),
    ),
    Defence(
        (21,),
        "a flood takes turns on the fast path too",
        SRC + "connection/connection.py",
        (("if self._is_resting or self._closing", "if self._closing"),),
        (
            UNIT + "connection/test_connection.py"
            "::test_frames_of_the_fast_path_take_turns_like_others",
        ),
    ),
    Defence(
        (24,),
        "the fast path does not write to a client that does not read",
        SRC + "server/uvicorn.py",
        (("return not is_closing and self.writable.is_set()", "return not is_closing"),),
        (UNIT + "server/test_uvicorn.py::test_a_client_that_does_not_read_is_not_written_to",),
    ),
    Defence(
        (22,),
        "a client that is not pinged is closed after a long silence",
        SRC + "connection/timeouts.py",
        (("            if not watched.is_busy():\n", "            if not self.has_spoken:\n"),),
        (
            UNIT
            + "connection/test_timeouts.py::test_a_client_that_has_spoken_may_be_silent_for_long",
            SECURITY + "test_storms.py"
            "::test_a_silent_client_without_pings_is_cut_once_it_is_idle_for_long",
        ),
    ),
    Defence(
        (33, 34),
        "unfinished requests of a process have a common limit",
        SRC + "request/budget.py",
        (("if not self.make_room(count, max_bytes):", "if False:"),),
        (
            SECURITY + "test_storms.py"
            "::test_unfinished_requests_of_many_connections_have_a_limit_together",
        ),
    ),
    Defence(
        (33, 34),
        "a request gives back what it held",
        SRC + "request/task.py",
        (("            self.account.end(self.held_bytes)\n", "            pass\n"),),
        (SECURITY + "test_storms.py::test_what_was_held_is_given_back",),
    ),
    Defence(
        (33, 34),
        "unfinished requests of one address leave room for those of others",
        SRC + "request/budget.py",
        (
            (
                "            wanted > limits.process_bytes // _UNFINISHED_SHARE_OF_ADDRESS\n",
                "            False\n",
            ),
        ),
        (
            SECURITY + "test_storms.py"
            "::test_one_address_cannot_use_up_what_unfinished_requests_may_hold",
            UNIT + "request/test_budget.py::test_unfinished_requests_of_an_address_have_a_quarter",
        ),
    ),
    Defence(
        (33, 34),
        "an unfinished request counts for what it costs, not only for its bytes",
        SRC + "connection/dispatcher.py",
        (("held_bytes = len(frame) + _TASK_BYTES", "held_bytes = len(frame)"),),
        (SECURITY + "test_storms.py::test_an_unfinished_request_counts_for_more_than_its_bytes",),
    ),
    Defence(
        (33, 34),
        "empty parts do not extend the deadline of an upload",
        SRC + "connection/dispatcher.py",
        (("            if message.body or not message.more:\n", "            if True:\n"),),
        (
            UNIT + "connection/test_endings.py"
            "::test_what_is_no_progress_gives_a_call_no_more_time[empty-part]",
        ),
    ),
    Defence(
        (33, 34),
        "credit does not extend the deadline if nothing can use it",
        SRC + "connection/dispatcher.py",
        (("            if task.has_begun and message.count:\n", "            if True:\n"),),
        tuple(
            f"{UNIT}connection/test_endings.py"
            f"::test_what_is_no_progress_gives_a_call_no_more_time[{case}]"
            for case in ("credit-for-an-upload", "credit-before-the-answer", "credit-of-no-byte")
        ),
    ),
    Defence(
        (20,),
        "a process has a limited number of sockets",
        SRC + "server/admission.py",
        (("self._by_place.total() >= max_connections:", "False:"),),
        (UNIT + "test_asgi.py::test_a_process_has_only_so_many_sockets",),
    ),
    Defence(
        (20, 34),
        "an address has a limited number of sockets",
        SRC + "server/admission.py",
        (("self._by_place[place] >= max_connections_per_address", "False"),),
        (
            UNIT + "test_asgi.py::test_one_address_has_only_so_many_sockets",
            ACCEPTANCE + "test_handshake.py"
            "::test_connections_are_limited_by_address_and_free_again",
        ),
    ),
    Defence(
        (20, 34),
        "the rate limit of an address applies first",
        SRC + "server/rate_limiter.py",
        (
            ("self._by_place[str(place)] < self._share_of_one", "True"),
            ("if place and own >= share * slices:", "if False:"),
        ),
        (
            UNIT + "server/test_rate_limiter.py::test_an_address_that_is_too_fast_waits_for_itself",
            UNIT + "test_asgi.py::test_an_address_in_a_hurry_leaves_the_door_to_others",
        ),
    ),
    Defence(
        (20, 34),
        "addresses take turns at admission",
        SRC + "server/rate_limiter.py",
        (
            (
                "self._waiting.add(future, Turn(place, None))",
                'self._waiting.add(future, Turn("", 0))',
            ),
        ),
        (UNIT + "server/test_rate_limiter.py::test_addresses_take_turns_at_what_they_share",),
    ),
    Defence(
        (20, 34),
        "a full admission queue refuses the newest handshake of the longest queue",
        SRC + "server/rate_limiter.py",
        (("if own + 1 >= len(self._queues[longest]):", "if True:"),),
        (
            UNIT + "server/test_rate_limiter.py"
            "::test_when_all_queues_are_full_the_longest_loses_its_newest",
        ),
    ),
    Defence(
        (20, 34),
        "no handshake waits longer than clients do",
        SRC + "server/rate_limiter.py",
        (("takewhile(lambda one: one[1] < late,", "takewhile(lambda one: False,"),),
        (UNIT + "server/test_rate_limiter.py::test_nobody_waits_for_ever_when_turns_become_rare",),
    ),
    Defence(
        (20, 34),
        "refused streams of events use nothing of the common rate",
        SRC + "connection/sse.py",
        (("            self._on_refused()\n", ""),),
        (UNIT + "test_asgi.py::test_streams_of_events_that_are_refused_cost_others_nothing",),
    ),
    Defence(
        (22, 34),
        "a client that never sends a request is closed",
        SRC + "connection/timeouts.py",
        (
            (
                "limits.idle_seconds if self.has_spoken else limits.first_request_seconds",
                "limits.idle_seconds",
            ),
        ),
        (
            UNIT + "connection/test_timeouts.py::test_a_client_that_is_not_pinged_must_speak_once",
            UNIT + "connection/test_endings.py::test_a_client_that_never_asks_is_cut",
        ),
    ),
    Defence(
        (22, 23),
        "a client that answers no ping is closed",
        SRC + "connection/timeouts.py",
        (
            (
                "and silence >= limits.ping_seconds + limits.pong_seconds",
                "and False",
            ),
        ),
        (
            UNIT + "connection/test_timeouts.py::test_a_silent_client_is_pinged_and_told_of",
            UNIT + "connection/test_endings.py::test_a_silent_client_is_pinged_and_then_cut",
        ),
    ),
    Defence(
        (24,),
        "a response is limited by its credit",
        SRC + "request/flow.py",
        (
            (
                "count = min(wanted, self._credit, self._window_bytes",
                "count = min(wanted, self._window_bytes",
            ),
        ),
        (UNIT + "request/test_flow_control.py::test_try_take_gives_no_more_than_the_credit",),
    ),
    Defence(
        (24, 33),
        "nothing is started for a client that does not read",
        SRC + "connection/send_queue.py",
        (
            ("self._send, self.max_bytes, self", "self._send, self.max_bytes, _, self"),
            ("= send, max_bytes, on_waiting", "= send, 2**60, max_bytes, on_waiting"),
        ),
        (
            UNIT + "connection/test_endings.py"
            "::test_nothing_more_is_begun_for_a_client_that_does_not_read",
            UNIT + "connection/test_endings.py"
            "::test_a_stream_waits_for_its_reader_in_spite_of_its_credit",
        ),
    ),
    Defence(
        (24,),
        "a client that does not read is closed",
        SRC + "connection/timeouts.py",
        (("if since is not None and now >= since + limits.slow_reader_seconds:", "if False:"),),
        (
            UNIT + "connection/test_timeouts.py::test_a_reader_that_is_slow_is_told_of",
            UNIT + "connection/test_endings.py::test_a_client_that_does_not_read_is_cut",
        ),
    ),
    Defence(
        (24,),
        "the time of a frame starts when it is handed over for sending",
        SRC + "connection/send_queue.py",
        (
            ("if self.sending_since is None:", "if False:"),
            ("if sys.version_info >= (3, 12):", "if False:"),  # there it has begun by then
        ),
        (
            UNIT + "connection/test_send_queue.py"
            "::test_sending_since_is_set_before_the_first_turn_of_whoever_sends",
        ),
    ),
    Defence(
        (21, 24),
        "a client that sends requests without reading is closed",
        SRC + "connection/dispatcher.py",
        (
            (
                "if self._send_queue.count > 2 * (limits.in_flight + limits.waiting):",
                "if False:",
            ),
        ),
        (UNIT + "connection/test_endings.py::test_a_client_that_asks_without_reading_is_cut",),
    ),
    Defence(
        (33,),
        "a limited number of requests is in flight",
        SRC + "connection/dispatcher.py",
        (("and len(self._running) < max_running", ""),),
        (UNIT + "connection/test_connection.py::test_no_more_than_in_flight_run_at_the_same_time",),
    ),
    Defence(
        (21, 33),
        "a limited number of requests waits",
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
        "a request has a deadline",
        SRC + "connection/timeouts.py",
        (("if now >= task.since + limits.request_seconds:", "if False:"),),
        (
            UNIT + "connection/test_timeouts.py::test_a_call_expires_by_its_own_time",
            UNIT + "connection/test_endings.py"
            "::test_a_call_that_no_thread_takes_in_time_is_refused_and_not_run",
        ),
    ),
    Defence(
        (33, 34),
        "greedy connections leave threads to others",
        SRC + "workers/queue.py",
        (("if blocked and not self.fair_share.has_room(queue_key, blocked):", "if False:"),),
        (
            SECURITY + "test_greedy.py"
            "::test_newcomers_are_answered_whatever_greedy_connections_have_wait[one-address]",
            SECURITY + "test_greedy.py"
            "::test_newcomers_are_answered_whatever_greedy_connections_have_wait[own-addresses]",
        ),
    ),
    Defence(
        (33,),
        "another thread replaces that of a stream of events whose view never ends",
        SRC + "connection/sse.py",
        (("            task.give_up()\n", "            pass\n"),),
        (
            SECURITY + "test_greedy.py"
            "::test_streams_of_events_whose_views_never_end_leave_threads_to_others[stays]",
            SECURITY + "test_greedy.py"
            "::test_streams_of_events_whose_views_never_end_leave_threads_to_others[leaves]",
        ),
    ),
    Defence(
        (33, 34),
        "a connection has a fair share of the threads",
        SRC + "workers/queue.py",
        (("return queue_key.taken < share and taken", "return taken"),),
        (UNIT + "workers/test_queue.py::test_a_greedy_source_leaves_half_of_the_threads",),
    ),
    Defence(
        (33, 34),
        "the connections of an address have a common share of the threads",
        SRC + "workers/queue.py",
        (("taken < share and taken < _GROUP * share", "taken < share"),),
        (UNIT + "workers/test_queue.py::test_a_greedy_group_leaves_a_quarter_of_the_threads",),
    ),
    Defence(
        (33,),
        "a greedy address leaves threads to its own new connections",
        SRC + "workers/queue.py",
        (("_GROUP, _GROUP_FOR_A_FIRST = 4, 8", "_GROUP, _GROUP_FOR_A_FIRST = 4, 4"),),
        (UNIT + "workers/test_queue.py::test_a_newcomer_of_a_greedy_group_gets_a_thread",),
    ),
    Defence(
        (33,),
        "a cancelled call that still runs counts as in flight",
        SRC + "connection/dispatcher.py",
        (
            (
                "        if is_untouched:\n            task.discard()\n",
                "        if not is_untouched:\n            self._schedule.ended(task)\n",
            ),
        ),
        (SECURITY + "test_storms.py::test_cancelling_is_no_way_around_the_cap",),
    ),
    Defence(
        (33,),
        "the nesting limit of JSON is the same on every Python",
        SRC + "protocol/nesting.py",
        (("    if nests_deeper(head, MAX_NESTING):", "    if False:"),),
        (
            UNIT + "protocol/test_validation.py::test_the_limit_of_nesting_is_not_the_interpreters",
            UNIT + "protocol/test_nesting.py::test_what_is_deeper_by_one_level_is_refused",
        ),
    ),
    Defence(
        (33,),
        "a connection keeps a limited number of cookies",
        SRC + "request/cookies.py",
        ((" or len(stored) < _MAX_COOKIES):", " or True):"),),
        (UNIT + "request/test_cookies.py::test_cookies_are_bounded",),
    ),
    Defence(
        (33,),
        "a stream without credit is buffered up to a limit",
        SRC + "request/sender.py",
        (("        if self._room < 0:\n", "        if False:\n"),),
        (UNIT + "request/test_sender.py::test_a_stream_too_large_to_be_gathered_is_refused",),
    ),
    Defence(
        (28,),
        "whatever a view does, its request is answered and the server continues",
        SRC + "request/handler.py",
        (("except (Exception, SystemExit):", "except ZeroDivisionError:"),),
        (
            UNIT
            + "request/test_handler.py::test_a_view_that_leaves_is_logged_and_the_process_stays",
            UNIT
            + "request/test_handler.py::test_a_receiver_of_the_start_that_raises_becomes_a_500",
        ),
    ),
    Defence(
        (33, 34),
        "the commits that the live queries of a process remember have a common limit in bytes",
        SRC + "live/retained_reads.py",
        (("while self._bytes > _MAX_BYTES:", "while False:"),),
        (
            UNIT
            + "live/test_retained_reads.py::test_the_commits_of_all_groups_are_bounded_together",
            UNIT + "live/test_retained_reads.py"
            "::test_what_was_read_counts_on_where_the_commit_was_forgotten",
        ),
    ),
    Defence(
        (33, 34),
        "the tags of a live request are kept for its first response only",
        SRC + "subscriptions/subscription.py",
        (('tags, self._tags = self._tags, ""', "tags = self._tags"),),
        (
            UNIT + "subscriptions/test_subscription.py"
            "::test_who_holds_the_answer_is_told_so_and_goes_on",
        ),
    ),
    Defence(
        (33, 34),
        "a remembered commit keeps neither a connection nor a response of the run that made it",
        SRC + "live/query.py",
        (("        self.job = self.subscriber = None\n        if", "        if"),),
        (
            UNIT + "live/test_manager_leftovers.py"
            "::test_a_commit_that_is_remembered_keeps_nothing_of_its_run",
        ),
    ),
    Defence(
        (33, 34),
        "what wsrequest knows of a query does not outlive its last subscriber",
        SRC + "live/query.py",
        (("self.latest, self.reads, self.retained, self.unknown_writes =", "_ ="),),
        (
            UNIT + "live/test_manager_leftovers.py"
            "::test_a_commit_that_is_remembered_keeps_nothing_of_its_run",
        ),
    ),
    Defence(
        (33, 34),
        "an answered request leaves no reference cycles for Python's garbage collector",
        SRC + "request/task.py",
        (("answer, self._answer = self._answer, None", "answer = self._answer"),),
        (UNIT + "request/test_task.py::test_an_answered_call_leaves_nothing_for_the_collector",),
    ),
    Defence(
        (33, 34),
        "the read sets of live requests count, and become whole tables if there is no room",
        SRC + "live/query.py",
        (("if more > 0 and not payer.take(more):", "if False:"),),
        (
            UNIT + "live/test_manager_weight.py"
            "::test_what_may_not_be_held_is_read_as_any_row_of_its_table",
            UNIT + "request/test_budget.py::test_what_a_view_reads_counts_or_is_read_less_exactly",
        ),
    ),
    Defence(
        (33, 34),
        "read sets leave half of the bytes of live requests to the rest",
        SRC + "request/budget.py",
        (("2 * (self.held_bytes + count) >", "(self.held_bytes + count) >"),),
        (UNIT + "request/test_budget.py::test_what_can_be_done_without_leaves_half_for_the_rest",),
    ),
    Defence(
        (33, 34),
        "the values of a condition that narrows nothing are not kept",
        SRC + "live/tracking/reads.py",
        (
            (
                "narrowed(ReadPredicate(database, table, equals))",
                "(ReadPredicate(database, table, equals))",
            ),
        ),
        (UNIT + "live/test_commit_log.py::test_a_long_list_of_values_is_not_kept",),
    ),
    Defence(
        (33, 34),
        "subscribers that join a shared page, and runs that fail, add bounded reads",
        SRC + "live/retained_reads.py",
        (("self._limited(self._added.union(new))", "self._added.union(new)"),),
        (
            UNIT + "live/test_retained_reads.py::test_what_joins_adds_no_more_than_a_run_keeps",
            UNIT + "live/test_retained_reads.py::test_a_run_that_fails_adds_no_more_either",
            UNIT + "live/test_retained_reads.py"
            "::test_a_crowd_that_joins_a_shared_page_is_held_by_bounded_reads",
        ),
    ),
    Defence(
        (33,),
        "only new reads are added to the index when a reader reads more",
        SRC + "live/index.py",
        (("        gone = held - wanted\n", "        gone = held if held != wanted else set()\n"),),
        (UNIT + "live/test_index.py::test_a_reader_that_reads_more_costs_the_difference",),
    ),
    Defence(
        (33,),
        "the search for earlier reads that no longer matter is bounded",
        SRC + "live/retained_reads.py",
        (("if len(old) * len(tried) > _MAX_LOOKS:", "if False:"),),
        (UNIT + "live/test_retained_reads.py::test_looking_what_is_moot_is_bounded",),
    ),
    Defence(
        (33, 34),
        "a view depends on a limited number of names, and then on any",
        SRC + "live/tracking/api.py",
        (('reads.add_key("", key, MAX_KEYS)', 'reads.add("", key)'),),
        (UNIT + "live/test_commit_log.py::test_names_that_are_too_many_are_any_name",),
    ),
    Defence(
        (24, 34),
        "unread responses count, and the connection that has not read for longest is closed",
        SRC + "request/budget.py",
        (
            ("while self.unread_bytes > most and len(self._unread) > 1:", "while False:"),
            ("while budget.unread_bytes > most and len(budget.unread) > 1:", "while False:"),
        ),
        (
            UNIT + "connection/test_unread.py"
            "::test_of_an_address_those_are_cut_who_have_not_read_for_longest",
            UNIT + "connection/test_unread.py"
            "::test_of_all_addresses_those_are_cut_who_have_not_read_for_longest",
            UNIT + "connection/test_unread.py"
            "::test_unread_answers_count_and_those_are_cut_who_have_not_read_for_longest",
        ),
    ),
    Defence(
        (24, 34),
        "connections that read are closed after those that do not",
        SRC + "request/budget.py",
        (("            if more < 0:", "            if not count:"),),
        (
            UNIT + "connection/test_unread.py"
            "::test_of_all_addresses_those_are_cut_who_have_not_read_for_longest",
            UNIT + "connection/test_unread.py"
            "::test_who_has_read_a_part_is_cut_after_those_who_have_not",
        ),
    ),
    Defence(
        (24, 33),
        "closing those that do not read checks each only once",
        SRC + "request/budget.py",
        (
            (
                "            next(iter(budget.unread)).cut()",
                "            max(budget.unread, key=lambda each: budget.unread[each]).cut()",
            ),
        ),
        (UNIT + "connection/test_unread.py::test_each_client_that_is_cut_is_looked_at_once",),
    ),
    Defence(
        (24, 34),
        "unread responses give way to requests",
        SRC + "request/budget.py",
        (
            (
                "self.held_bytes - self.unread_bytes + count > max_bytes",
                "self.held_bytes + count > max_bytes",
            ),
        ),
        (
            UNIT + "connection/test_unread.py::test_what_nobody_reads_gives_way_to_requests",
            UNIT + "connection/test_unread.py::test_no_more_are_cut_than_a_request_needs",
        ),
    ),
    Defence(
        (24, 34),
        "a send queue reports what waits in it",
        SRC + "connection/send_queue.py",
        (("        if self.waiting_bytes > _UNSEEN_BYTES:\n", "        if False:\n"),),
        (
            UNIT + "connection/test_unread.py"
            "::test_unread_answers_count_and_those_are_cut_who_have_not_read_for_longest",
        ),
    ),
    Defence(
        (24, 34),
        "a client that does not even read the close is cut off, and its buffer is freed",
        SRC + "connection/connection.py",
        (
            (
                "        except TimeoutError:\n            if self.abort is not None:",
                "        except TimeoutError:\n            if False:",
            ),
        ),
        (
            UNIT + "connection/test_unread.py"
            "::test_a_client_that_does_not_even_read_the_close_is_cut_off[time]",
        ),
    ),
    Defence(
        (33,),
        "a large live response is encoded in the thread that created it, not on the event loop",
        SRC + "subscriptions/run.py",
        (("            self.result.prepare()\n", "            pass\n"),),
        (UNIT + "subscriptions/test_loop_work.py::test_a_large_answer_is_encoded_in_a_thread",),
    ),
    Defence(
        (33,),
        "the cookies of a connection are read once for all its live requests",
        SRC + "subscriptions/subscription_set.py",
        (("        if cookie != self._pairs[0]:\n", "        if True:\n"),),
        (UNIT + "subscriptions/test_loop_work.py::test_the_cookies_of_a_connection_are_read_once",),
    ),
    Defence(
        (33,),
        "the search for CSRF tokens in a body gives other threads their turn",
        SRC + "live/normalizing.py",
        (("_BLOCK = 2**15", "_BLOCK = 2**30"),),
        (UNIT + "live/test_normalizing.py::test_no_look_for_tokens_is_at_a_whole_body",),
    ),
    Defence(
        (33,),
        "measuring the nesting of a message is fast even if it is almost too deep",
        SRC + "protocol/nesting.py",
        (
            (
                "    return max(peaks) > room\n",
                '    return max(accumulate(memoryview(steps).cast("b"))) > room\n',
            ),
        ),
        tuple(
            f"{UNIT}protocol/test_nesting.py::test_no_text_is_looked_at_step_by_step[{case}]"
            for case in ("one peak", "just below", "flat")
        ),
    ),
    Defence(
        (33,),
        "measuring the nesting of a response gives other threads their turn",
        SRC + "protocol/nesting.py",
        (("_BLOCK = 2**13", "_BLOCK = 2**30"),),
        (UNIT + "protocol/test_nesting.py::test_no_call_into_c_gets_more_than_a_block",),
    ),
)
