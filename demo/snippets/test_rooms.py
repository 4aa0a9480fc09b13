"""The room of a snippet, its view and its job; tests/demo has it in browsers."""

import json
from unittest.mock import patch

from snippets import highlighting, jobs
from snippets.models import Snippet
from snippets.tests import DemoTestCase


class RoomTests(DemoTestCase):
    """/rooms/1/ and its view: who may be there, and what they may send."""

    def setUp(self) -> None:
        super().setUp()
        self.snippet = Snippet.objects.first()
        self.url = f"/api/snippets/{self.snippet.pk}/room/"

    def say(self, event: object, data: object = None):
        """Send an event, and return the answer and what the room was sent."""
        with patch("snippets.rooms.push.send") as send:
            answer = self.client.post(
                self.url, json.dumps({"event": event, "data": data}), "application/json"
            )
        return answer, [call.args for call in send.mock_calls]

    def test_page_gives_a_visitor_a_name_that_stays(self) -> None:
        url = f"/rooms/{self.snippet.pk}/"
        page = self.client.get(url)
        name = page.context["name"]
        self.assertRegex(name, r"^Visitor \d{4}$")
        self.assertEqual(self.client.get(url).context["name"], name)
        self.client.force_login(self.demo)
        self.assertContains(self.client.get(url), '<p class="who">demo</p>')
        self.assertEqual(self.client.get("/rooms/999/").status_code, 404)

    def test_room_is_for_those_with_a_name(self) -> None:
        self.assertEqual(self.client.get(self.url).status_code, 403)
        self.assertEqual(self.say("typing")[0].status_code, 403)
        self.client.force_login(self.demo)
        self.assertEqual(self.client.get(self.url).json(), {"title": self.snippet.title})
        self.assertEqual(self.client.get("/api/snippets/999/room/").status_code, 404)

    def test_room_is_told_who_says_what(self) -> None:
        self.client.force_login(self.demo)
        room = f"snippet:{self.snippet.pk}"
        answer, sent = self.say("typing")
        self.assertEqual((answer.status_code, sent), (204, [(room, "typing", {"name": "demo"})]))
        answer, sent = self.say("note", "Hello")
        self.assertEqual(sent, [(room, "note", {"name": "demo", "text": "Hello"})])

    def test_nonsense_is_refused(self) -> None:
        self.client.force_login(self.demo)
        for event, data in (("note", ""), ("note", "x" * 201), ("note", {}), ("other", 1), (1, 1)):
            answer, sent = self.say(event, data)
            self.assertEqual((answer.status_code, sent), (400, []))
        for body in ("", "[]", "{}", "nothing"):
            answer = self.client.post(self.url, body, "application/json")
            self.assertEqual(answer.status_code, 400)

    def test_job_tells_how_far_it_is_and_runs_once_at_a_time(self) -> None:
        self.client.force_login(self.demo)
        with patch("snippets.jobs.threading.Thread") as thread:
            self.assertEqual(self.say("highlight")[0].status_code, 202)
            self.assertEqual(self.say("highlight")[0].status_code, 409)
        with (
            patch("snippets.jobs.push.send") as send,
            patch("snippets.jobs.PAUSE_SECONDS", 0),
        ):
            thread.call_args.kwargs["target"](*thread.call_args.kwargs["args"])
        total = 2 * Snippet.objects.count() * len(highlighting.all_styles())
        room, event, data = send.mock_calls[-1].args
        self.assertEqual(
            (room, event, data["pages"]), (f"snippet:{self.snippet.pk}", "finished", total)
        )
        self.assertEqual(send.mock_calls[0].args[2], {"done": 1, "total": total})
        with patch("snippets.jobs.threading.Thread"):
            self.assertTrue(jobs.start(room))
        jobs._running.discard(room)
