"""What live requests show, to whom, and how many of them there may be."""

from tests.security.defences.defence import ACCEPTANCE, SRC, UNIT, Defence

__all__ = ["LIVE"]

_LIVE = UNIT + "subscriptions/test_subscription.py::"
_BUDGET = UNIT + "request/test_budget.py::"
_EVENTS = UNIT + "connection/test_sse.py::"
_SETTLING = UNIT + "subscriptions/test_barrier.py::"
_RERUNS = UNIT + "subscriptions/test_run.py::"
_PAGES = UNIT + "subscriptions/test_page_proof.py::"
_LIVE_PAGES = ACCEPTANCE + "test_live_pages.py::"
_SHARED = UNIT + "subscriptions/test_shared.py::"
_WHOSE = UNIT + "connection/test_identity.py::"
_DISCARDING = UNIT + "request/test_discarding.py::"
_MANAGER = UNIT + "live/test_manager_"

LIVE = (
    Defence(
        (9,),
        "a rerun saves nothing to a session, and extends none",
        SRC + "subscriptions/rerun.py",
        (("        task.discarded = Discarded()\n", ""),),
        (
            _RERUNS + "test_a_token_that_is_shown_once_waits_for_the_visitor",
            _RERUNS + "test_messages_wait_for_the_visitor",
            _RERUNS + "test_a_run_never_prolongs_a_session",
        ),
    ),
    Defence(
        (9,),
        "a resumed request must prove that it was answered",
        SRC + "subscriptions/resumption.py",
        (
            (
                "    except BadSignature:\n        return None\n",
                '    except BadSignature:\n        return ""\n',
            ),
        ),
        (_RERUNS + "test_the_word_of_a_client_proves_nothing",),
    ),
    Defence(
        (9,),
        "checking the proof makes no other query",
        SRC + "subscriptions/resumption.py",
        (("(site, question, sorted(headers.items()))", "site"),),
        (
            _RERUNS + "test_a_proof_asks_no_other_question",
            _RERUNS + "test_a_handshake_asks_no_other_question_by_a_proof",
        ),
    ),
    Defence(
        (9,),
        "the proof covers everything that the message brings",
        SRC + "subscriptions/resumption.py",
        (
            (
                "        if not is_by_http or lower not in _ADDED:",
                "        if lower not in PASSING:",
            ),
            ("message.token, message.referrer,", "message.token,"),
        ),
        (
            *(
                f"{_RERUNS}test_a_proof_asks_no_other_question[{{'headers': {{'{name}': '0042'}}}}]"
                for name in ("DPoP", "Idempotency-Key", "Pragma", "traceparent")
            ),
            UNIT
            + "subscriptions/test_resumption.py::test_all_that_a_message_brings_counts[referrer]",
            UNIT + "subscriptions/test_resumption.py::test_each_header_of_a_message_counts",
        ),
    ),
    Defence(
        (9,),
        "the proof is for one session, and for the values of the cookies",
        SRC + "subscriptions/run.py",
        ((" and self._has_same_cookies()", ""),),
        (
            _RERUNS + "test_a_proof_is_of_one_session",
            _RERUNS + "test_a_cookie_asks_no_other_question_by_a_proof",
        ),
    ),
    Defence(
        (9,),
        "the proof of a resumed stream covers all cookies, because the stream may read them later",
        SRC + "subscriptions/run.py",
        (("None if self._is_stream else self.cookie_names", "self.cookie_names"),),
        (_RERUNS + "test_a_cookie_asks_no_other_question_by_a_proof[guess_in_stream]",),
    ),
    Defence(
        (9,),
        "the proof expires after a day",
        SRC + "subscriptions/resumption.py",
        (('proof}", max_age=MAX_AGE_SECONDS', 'proof}", max_age=None'),),
        (_RERUNS + "test_a_proof_is_good_for_a_day",),
    ),
    Defence(
        (9,),
        "the proof in a page is for the live run of that page, and of no other request",
        SRC + "subscriptions/page_proof.py",
        (
            (
                '    if set(own) - {"accept"} or message.query or message.token is not None:',
                "    if False:",
            ),
            ("    return page if page.has_headers(request) else None", "    return page"),
        ),
        (
            _PAGES + "test_page_asks_no_other_question[{'data': {'code': '0042'}}]",
            _PAGES + "test_page_asks_no_other_question[{'token': '0042'}]",
            _PAGES + "test_page_asks_no_other_question[{'handshake': {'x-code': '0042'}}]",
        ),
    ),
    Defence(
        (9,),
        "the proof in a page is for the visitor that it was served to",
        SRC + "subscriptions/run.py",
        (("return self._proven.has_cookies(self.cookie, names, csrf_cookie)", "return True"),),
        (
            _PAGES + "test_page_is_of_one_session",
            _PAGES + "test_cookie_that_the_page_had_cannot_be_left_out",
            _PAGES + "test_page_asks_no_other_question[{'cookie': '; code=0042'}]",
        ),
    ),
    Defence(
        (9,),
        "the proof in a page expires after a day, and cannot be made up",
        SRC + "subscriptions/page_proof.py",
        (('}", max_age=MAX_AGE_SECONDS', '}", max_age=None'),),
        (_PAGES + "test_proof_is_good_for_a_day",),
    ),
    Defence(
        (11,),
        "the proof in a page reveals no cookie, not even a short one",
        SRC + "subscriptions/page_proof.py",
        (("text.encode(), key=key, ", "text.encode(), "),),
        (_PAGES + "test_cookies_cannot_be_guessed_from_a_page",),
    ),
    Defence(
        (9,),
        "the live run of a page reads no messages, even without a proof",
        SRC + "subscriptions/run.py",
        (("            keep_messages_out(request)\n", "            pass\n"),),
        (_LIVE_PAGES + "test_live_run_of_a_page_reads_no_message[session.SessionStorage-False]",),
    ),
    Defence(
        (13,),
        "what a run without effects says about sharing does not apply to the run that replaces it",
        SRC + "subscriptions/run.py",
        ((" = self._proven = self._shared_key = None", " = self._proven = None"),),
        (_RERUNS + "test_a_public_answer_that_is_run_again_is_not_shared_by_its_first_run",),
    ),
    Defence(
        (13,),
        "a response is not shared if its view reads what only its connection has",
        SRC + "subscriptions/run.py",
        (("shared_key = None if self.is_personal else", "shared_key ="),),
        (_SHARED + "test_who_reads_what_its_connection_has_shares_with_nobody[]",),
    ),
    Defence(
        (13,),
        "subscribers that differ only by connection are separated when a view reads the connection",
        SRC + "subscriptions/subscription_set.py",
        (("        if subscription.is_personal:\n", "        if False:\n"),),
        (_SHARED + "test_who_reads_what_its_connection_has_shares_with_nobody[&private]",),
    ),
    Defence(
        (9,),
        "a task that a rerun starts saves the sessions of others after the rerun",
        SRC + "request/discarding.py",
        (("        discarded.is_open = False\n", "        pass\n"),),
        (
            _DISCARDING + "test_what_a_run_leaves_behind_writes_as_usual",
            _DISCARDING + "test_what_a_run_leaves_behind_writes_as_usual_by_the_async_methods",
            _RERUNS + "test_a_task_that_a_run_starts_saves_the_sessions_of_others",
        ),
    ),
    Defence(
        (13,),
        "subscribers that differ in a cookie stop sharing a run when a view reads that cookie",
        SRC + "live/manager.py",
        (("            self._learn(query, runner, observed)\n", "            pass\n"),),
        (_WHOSE + "test_a_cookie_that_is_read_later_parts_who_differ_in_it",),
    ),
    Defence(
        (13,),
        "reading the Cookie header itself reads all cookies",
        SRC + "subscriptions/cookie_reads.py",
        (("        if key == _HEADER:\n", "        if key is None:\n"),),
        (
            UNIT + "subscriptions/test_cookie_reads.py::test_who_sees_all_cookies_has_read_all",
            _WHOSE + "test_any_cookie_makes_a_view_run_that_reads_all",
        ),
    ),
    Defence(
        (13,),
        "reading the copy of the CSRF secret in META reads its cookie",
        SRC + "subscriptions/cookie_reads.py",
        (("        elif key == _SECRET:\n", "        elif key is None:\n"),),
        (
            UNIT
            + "subscriptions/test_cookie_reads.py::test_the_copy_of_the_csrf_secret_is_the_cookie",
            _WHOSE + "test_a_csrf_secret_that_is_read_from_the_copy_is_shown_to_its_owner_only",
        ),
    ),
    Defence(
        (21,),
        "the writes of strangers do not use up a subscriber's throttle",
        SRC + "live/tracking/caches.py",
        (("and reads.is_rerun and (counters", "and False and (counters"),),
        (
            UNIT + "live/tracking/test_counters.py::test_a_rerun_is_not_charged",
            ACCEPTANCE + "test_live.py::test_writes_of_strangers_leave_a_throttle_alone",
        ),
    ),
    Defence(
        (21,),
        "a ban that is kept beside the counters of throttles applies to reruns",
        SRC + "live/tracking/counters.py",
        (
            (
                "_MISSING if self._is_cleared else self._read(key, version, _MISSING)",
                "_MISSING",
            ),
        ),
        (
            UNIT
            + "live/tracking/test_counters.py::test_a_ban_beside_the_counters_holds_for_a_rerun",
        ),
    ),
    Defence(
        (10,),
        "a logout in a rerun closes no sockets",
        SRC + "apps.py",
        (("@skip_on_rerun  # its", "# its"),),
        (_RERUNS + "test_a_logout_in_a_run_logs_nobody_out",),
    ),
    Defence(
        (6, 29),
        "a stream of events is not for pages of other origins",
        SRC + "asgi.py",
        (("place = self._admit(scope, base, allow_missing_origin=True)", 'place = ""'),),
        (ACCEPTANCE + "test_live.py::test_events_are_not_for_foreign_pages",),
    ),
    Defence(
        (10,),
        "a logout ends the user's live requests",
        SRC + "subscriptions/subscription_set.py",
        (("[s for s in self._subscriptions.values() if s.by_session]", "[]"),),
        (_LIVE + "test_a_logout_on_the_own_connection_ends_what_was_answered_for_the_user",),
    ),
    Defence(
        (33,),
        "a connection has a limited number of live requests",
        SRC + "protocol/session.py",
        (("if self._subscribed >= most:", "if False:"),),
        (
            _LIVE + "test_one_more_than_may_be_live_is_refused",
            _LIVE + "test_subscriptions_that_have_not_begun_count",
        ),
    ),
    Defence(
        (33,),
        "the responses of a connection's live requests have a limit at every version",
        SRC + "subscriptions/subscription_set.py",
        (("if self._held_bytes + body_bytes > limits.answer_bytes:", "if False:"),),
        (
            _LIVE + "test_what_grows_past_what_may_be_held_is_ended",
            _LIVE + "test_what_a_slow_reader_did_not_see_grow_is_ended",
        ),
    ),
    Defence(
        (33,),
        "what is remembered of SQL texts is bounded in bytes",
        SRC + "live/sql/statement_cache.py",
        (("            if self._weight > self._half:\n", "            if False:\n"),),
        (UNIT + "live/sql/test_statement_cache.py::test_what_is_remembered_is_bounded_in_bytes",),
    ),
    Defence(
        (33,),
        "a SELECT is analyzed only in a live run",
        SRC + "live/tracking/connection.py",
        (("if not is_read and writes_nothing(sql, names):", "if False:"),),
        (
            "tests/live/test_corpus_capture.py::"
            "test_co13_query_of_many_filters_is_parsed_once[sqlite]",
        ),
    ),
    Defence(
        (33,),
        "the work for one SQL text is bounded",
        SRC + "live/sql/tokenizer.py",
        (("if len(tokens) > MAX_TOKENS or pieces > 3 * MAX_TOKENS:", "if False:"),),
        (
            UNIT + "live/sql/test_statement_cache.py::test_no_text_is_looked_at_for_long[signs]",
            UNIT + "live/sql/test_statement_cache.py::test_text_that_is_too_long_is_any_table",
        ),
    ),
    Defence(
        (33,),
        "the length of an analyzed SQL text is bounded",
        SRC + "live/sql/tokenizer.py",
        (("if len(sql) > MAX_CHARACTERS:", "if False:"),),
        (UNIT + "live/sql/test_statement_cache.py::test_text_that_is_too_long_is_any_table",),
    ),
    Defence(
        (33,),
        "the rows of a long INSERT are not remembered",
        SRC + "live/sql/predicates.py",
        ((" or len(rows) == MAX_ROWS_OF_A_TEXT:", ":"),),
        (UNIT + "live/sql/test_parameters.py::test_long_list_of_rows_in_a_text_is_of_any_row",),
    ),
    Defence(
        (33,),
        "a limited number of reruns is under way",
        SRC + "live/scheduler.py",
        (("while len(self._running) < self._max_runs and (", "while ("),),
        (_MANAGER + "pace.py::test_no_more_views_run_at_a_time_than_may",),
    ),
    Defence(
        (33, 34),
        "live requests of an address have a common limit in bytes",
        SRC + "request/budget.py",
        (("if mine and self.held_bytes + mine > limits.live_bytes_per_address:", "if False:"),),
        (
            _BUDGET + "test_an_address_may_have_only_so_much_live",
            _BUDGET + "test_what_grows_past_what_an_address_may_hold_is_ended",
        ),
    ),
    Defence(
        (33, 34),
        "live requests of a process have a common limit in bytes",
        SRC + "request/budget.py",
        (("budget.live_bytes + everybodys > limits.live_bytes\n", "False\n"),),
        (_BUDGET + "test_a_process_may_have_only_so_much_live",),
    ),
    Defence(
        (33, 34),
        "what a live request holds counts as long as the request lives",
        SRC + "subscriptions/subscription_set.py",
        (("        self.account.exchange((), results, limits)\n", ""),),
        (_BUDGET + "test_message_and_answer_count_as_long_as_the_request_is_live",),
    ),
    Defence(
        (33, 34),
        "what waits for a slow reader of a live request counts",
        SRC + "subscriptions/subscription.py",
        (("self._owner.hold(self, *((result,) if sent is None else (sent, result)))", "pass"),),
        (_BUDGET + "test_what_waits_for_a_slow_reader_counts_besides_what_it_was_sent",),
    ),
    Defence(
        (33,),
        "equal readers hold one live response, not one each",
        SRC + "live/manager.py",
        (("            subscriber.keep(query.latest)\n", "            pass\n"),),
        (_BUDGET + "test_equal_readers_hold_one_answer",),
    ),
    Defence(
        (33,),
        "a live response is not held as a frame as well",
        SRC + "live/snapshot.py",
        (
            ("self._ending = None if self._is_shown else ending", "self._ending = ending"),
            ("self._is_shown = True\n        self._ending = None\n", "self._is_shown = True\n"),
        ),
        (_BUDGET + "test_an_answer_is_held_once_and_not_as_a_frame_besides",),
    ),
    Defence(
        (33, 34),
        "a message that subscribes has a smaller limit",
        SRC + "connection/dispatcher.py",
        (("if frame_bytes > self", "if False and frame_bytes > self"),),
        (_BUDGET + "test_a_message_that_subscribes_has_a_limit_of_its_own",),
    ),
    Defence(
        (33, 34),
        "responses that wait to be settled count",
        SRC + "subscriptions/barrier.py",
        (("            self._account.take(count, self._limits)\n", "            pass\n"),),
        (
            _BUDGET + "test_answers_that_wait_for_live_requests_are_counted",
            _BUDGET + "test_what_an_address_may_hold_bounds_what_waits",
        ),
    ),
    Defence(
        (24, 33),
        "a limited number of a connection's responses waits to be settled",
        SRC + "subscriptions/barrier.py",
        (("if self._held_bytes and self._held_bytes + count", "if False and count"),),
        (_BUDGET + "test_more_than_may_wait_is_answered_at_once_as_not_settled",),
    ),
    Defence(
        (33,),
        "a patch of a live response takes bounded work",
        SRC + "live/diff.py",
        (("MAX_WORK = 2**20", "MAX_WORK = 2**23"),),
        (UNIT + "live/test_diff.py::test_work_on_hostile_bodies_is_bounded",),
    ),
    Defence(
        (33,),
        "a patch of a live page takes bounded work",
        SRC + "live/text_diff.py",
        (("MAX_PIECES = 2**14", "MAX_PIECES = 2**20"),),
        (UNIT + "live/test_text_diff.py::test_work_on_hostile_bodies_is_bounded",),
    ),
    Defence(
        (33,),
        "bodies of too many values are not parsed for a patch",
        SRC + "live/diff.py",
        (("if max(_most_values(old), _most_values(new)) > MAX_VALUES:", "if False:"),),
        (UNIT + "live/test_diff.py::test_too_many_values_are_not_even_parsed",),
    ),
    Defence(
        (21, 33),
        "reruns take turns among addresses and connections",
        SRC + "live/scheduler.py",
        (("            queue.add(query, first)\n", "            queue.add(query, Turn(0, 0))\n"),),
        (
            UNIT + "live/test_scheduler.py"
            "::test_a_victim_of_the_same_address_waits_for_its_turn_among_connections",
            UNIT + "live/test_scheduler.py"
            "::test_a_victim_beside_several_hostile_addresses_waits_for_one_run_of_each",
        ),
    ),
    Defence(
        (21, 33),
        "one address leaves a place for the live runs of others",
        SRC + "live/scheduler.py",
        (("return self._by_address[address] < self._most", "return True"),),
        (
            UNIT + "live/test_scheduler.py"
            "::test_a_victim_beside_a_thousand_hostile_requests_runs_at_once",
        ),
    ),
    Defence(
        (21, 33),
        "a shared run takes the turn of a reader with nothing else waiting",
        SRC + "live/scheduler.py",
        (("                first = turn\n", "                pass\n"),),
        (
            UNIT + "live/test_scheduler.py"
            "::test_a_run_that_is_shared_is_in_the_turn_of_who_has_no_other",
        ),
    ),
    Defence(
        (21, 33),
        "rechecks leave a place for reruns that a commit caused",
        SRC + "live/scheduler.py",
        ((">= self._most:\n", ">= self._max_runs:\n"),),
        (UNIT + "live/test_scheduler.py::test_rechecks_leave_a_place_for_what_was_committed",),
    ),
    Defence(
        (21, 33),
        "rechecks wait behind reruns that a commit caused",
        SRC + "live/scheduler.py",
        (("query.is_awaited |= not is_old", "query.is_awaited = True"),),
        (UNIT + "live/test_scheduler.py::test_what_was_committed_goes_before_what_is_merely_old",),
    ),
    Defence(
        (33,),
        "a view that hangs does not run again before it returns",
        SRC + "live/scheduler.py",
        ((" or query.stuck is not None or ", " or "),),
        (_MANAGER + "commits.py::test_a_view_that_hangs_is_not_run_again_before_it_has_come_back",),
    ),
    Defence(
        (33, 34),
        "a live view does not keep a response that no longer waits for it",
        SRC + "subscriptions/barrier.py",
        (("        if self.wait is not None:\n", "        if False:\n"),),
        (
            _SETTLING + "test_answers_that_wait_no_longer_leave_nothing_behind",
            _SETTLING + "test_an_answer_that_has_waited_long_enough_leaves_nothing_behind",
            _SETTLING + "test_a_connection_that_is_gone_is_not_kept_by_what_it_waited_for",
        ),
    ),
    Defence(
        (33, 34),
        "a response that waits keeps nothing of its request",
        SRC + "subscriptions/barrier.py",
        (('        task.message = Request(task.message.method, "", task.message.id)\n', ""),),
        (_SETTLING + "test_an_answer_that_waits_does_not_hold_its_request",),
    ),
    Defence(
        (20, 33),
        "a stream of events counts while its view runs, even if its client has gone",
        SRC + "connection/sse.py",
        (("if self._is_ended and not self._is_running:", "if self._is_ended:"),),
        (
            _EVENTS + "test_streams_that_are_cut_during_their_first_run_are_counted_and_then_freed",
            _EVENTS + "test_a_stream_whose_view_is_late_counts_until_it_comes_back",
        ),
    ),
    Defence(
        (33,),
        "a stream of events that was cut off is freed when its view returns",
        SRC + "connection/sse.py",
        (("            self._late.cancel()\n", ""),),
        (_EVENTS + "test_streams_that_are_cut_during_their_first_run_are_counted_and_then_freed",),
    ),
    Defence(
        (37,),
        "a live request shares no run with another identity",
        SRC + "subscriptions/subscription_set.py",
        (("headers, message.token, names, pairs, identity", "headers"),),
        (
            _LIVE + "test_visitors_of_different_cookies_never_share",
            _LIVE + "test_different_tokens_never_share",
            _LIVE + "test_connections_whose_handshakes_differ_never_share",
        ),
    ),
    Defence(
        (37,),
        "a rerun has the identity that the cookies name by then",
        SRC + "connection/dispatcher.py",
        (("            self._live.subscriptions.refresh()\n", "            pass\n"),),
        (_LIVE + "test_a_cookie_that_an_answer_sets_makes_it_run_as_whom_it_names",),
    ),
    Defence(
        (32, 37),
        "a run has the cookies of its own time: the run of an ended request is not sent",
        SRC + "subscriptions/subscription.py",
        (
            (
                "        cookie = owner.host.cookie_for(self.message.url)\n",
                "        cookie = self.cookie\n",
            ),
        ),
        (_LIVE + "test_a_run_has_the_cookies_of_its_own_time",),
    ),
    Defence(
        (32, 37),
        "a live request gets a new identity when one of its cookies expires",
        SRC + "subscriptions/subscription_set.py",
        (("loop.call_later(seconds, self.refresh)", "loop.call_later(seconds, int)"),),
        (_LIVE + "test_a_cookie_that_has_ended_is_sent_no_more",),
    ),
    Defence(
        (37,),
        "a run is shared only if the response is public",
        SRC + "live/http_caching.py",
        (("status != 200 or not is_public or ", "status != 200 or "),),
        (
            UNIT + "live/test_http_caching.py::test_a_response_that_says_nothing_is_one_visitors",
            _LIVE + "test_visitors_of_different_cookies_never_share",
        ),
    ),
    Defence(
        (37,),
        "a response that sets a cookie is not shared, even if it says that it is public",
        SRC + "subscriptions/run.py",
        ((" or self._site is None or self.sets_cookies:", " or self._site is None:"),),
        (_LIVE + "test_an_answer_that_sets_a_cookie_is_not_public",),
    ),
    Defence(
        (37,),
        "a response that is no longer public is shown to no other reader",
        SRC + "live/manager.py",
        (("if query.is_public and result.shared_key != query.key:", "if False:"),),
        (
            _MANAGER
            + "public.py::test_a_public_result_that_becomes_private_is_shown_to_nobody_else",
            _MANAGER + "public.py::test_a_failure_of_a_shared_run_is_told_to_nobody",
            _LIVE + "test_a_public_answer_is_shared_by_different_visitors",
        ),
    ),
    Defence(
        (37,),
        "the shared run of a public response is anonymous",
        SRC + "live/manager.py",
        (("subscriber.start_shared(run) if query.is_public else", "False or"),),
        (
            _SHARED + "test_a_header_of_one_reader_decides_for_nobody_else",
            _SHARED + "test_a_shared_run_bears_nothing_of_a_reader",
        ),
    ),
    Defence(
        (37,),
        "a response to one reader is not kept for those who share the page",
        SRC + "live/manager.py",
        (("                query.latest = None  # it", "                pass  # it"),),
        (
            _MANAGER
            + "public.py::test_nobody_is_shown_what_another_was_answered_although_it_was_public",
        ),
    ),
    Defence(
        (33, 37),
        "a page that is not public for anonymous runs is not shared again and again",
        SRC + "live/manager.py",
        (("        self._sharing.stop(query.key)\n", ""),),
        (
            _MANAGER
            + "public.py::test_what_is_not_public_for_nobody_is_not_shared_again_for_a_while",
            _SHARED + "test_a_page_that_needs_a_token_is_shared_by_nobody_and_costs_one_run_each",
        ),
    ),
    Defence(
        (33,),
        "a limited number of pages is remembered as not shared",
        SRC + "live/http_caching.py",
        (("self._until[first] > now and len(self._until) < _MAX_UNSHARED", "True"),),
        (_MANAGER + "public.py::test_only_so_many_pages_are_remembered_as_not_shared",),
    ),
    Defence(
        (37,),
        "public responses are shared by host and scheme as Django sees them",
        SRC + "subscriptions/shared.py",
        (
            ("        host = request.get_host()\n", '        host = request.META["HTTP_HOST"]\n'),
            ('return Site(request.scheme or "", host,', 'return Site("http", host,'),
        ),
        (
            _SHARED + "test_public_answers_are_not_shared_across_hosts_behind_a_proxy",
            _SHARED + "test_public_answers_are_not_shared_across_schemes_behind_a_proxy",
        ),
    ),
    Defence(
        (37,),
        "public responses are shared only as the project says",
        SRC + "subscriptions/shared.py",
        (("None if share_key is None else share_key(request)", "None"),),
        (_SHARED + "test_the_project_tells_apart_who_may_not_share",),
    ),
    Defence(
        (9,),
        "what users write in JSON or text hides nothing of what others write",
        SRC + "live/snapshot.py",
        (("is_html = kind in _HTML", 'is_html = kind != ""'),),
        (UNIT + "live/test_snapshot.py::test_what_users_write_hides_nothing_of_others",),
    ),
)
