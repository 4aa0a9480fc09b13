"""The demo over plain HTTP, by Django's test client; tests/demo has the same over a socket.

Run by ``manage.py test snippets``.
"""

import re
from datetime import timedelta
from io import StringIO
from unittest.mock import patch

from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client, TestCase, override_settings
from django.utils import timezone

from snippets.models import MAX_CODE_CHARACTERS, Snippet
from snippets.samples import SAMPLES
from snippets.throttles import AnonymousCreateThrottle

JSON = "application/json"
# Real hashing takes a quarter of a second each time, by design.
quick_passwords = override_settings(
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]
)
HELLO = {"title": "Hello", "code": "print('hello')", "language": "python"}


@quick_passwords
class DemoTestCase(TestCase):
    """Two users, one of them staff, and a snippet of each kind of owner."""

    @classmethod
    def setUpTestData(cls) -> None:
        cls.demo = User.objects.create_user("demo", password="demo")
        cls.other = User.objects.create_user("other", password="other")
        cls.staff = User.objects.create_user("staff", password="staff", is_staff=True)
        cls.owned = Snippet.objects.create(title="Owned", code="x = 1", owner=cls.demo)
        cls.free = Snippet.objects.create(title="Free", code="SELECT 1", language="sql")

    def setUp(self) -> None:
        cache.clear()  # the throttle counts there

    def token(self, username: str) -> dict[str, str]:
        """Return the header that a token of this user makes."""
        answer = self.client.post("/api/token/", {"username": username, "password": username})
        return {"Authorization": f"JWT {answer.json()['access']}"}


class SnippetApiTests(DemoTestCase):
    """/api/snippets/: who may do what, and what is refused."""

    def test_list_is_paged_and_newest_first(self) -> None:
        for number in range(10):
            Snippet.objects.create(title=f"Number {number}", code="x")
        page = self.client.get("/api/snippets/").json()
        self.assertEqual((page["count"], len(page["results"])), (12, 10))
        self.assertEqual(page["results"][0]["title"], "Number 9")
        second = self.client.get(page["next"]).json()
        self.assertEqual([row["title"] for row in second["results"]], ["Free", "Owned"])

    def test_page_size_can_be_chosen(self) -> None:
        page = self.client.get("/api/snippets/?page_size=1").json()
        self.assertEqual(len(page["results"]), 1)

    def test_list_takes_one_query_for_rows_and_owners(self) -> None:
        with self.assertNumQueries(2):  # the count, and the page
            self.client.get("/api/snippets/")

    def test_anonymous_visitor_creates_a_snippet_of_nobody(self) -> None:
        answer = self.client.post("/api/snippets/", HELLO, JSON)
        self.assertEqual(answer.status_code, 201)
        self.assertEqual((answer.json()["owner"], answer.json()["editable"]), (None, False))
        self.assertIsNone(Snippet.objects.get(pk=answer.json()["id"]).owner)

    def test_token_makes_its_user_the_owner(self) -> None:
        answer = self.client.post("/api/snippets/", HELLO, JSON, headers=self.token("demo"))
        self.assertEqual((answer.json()["owner"], answer.json()["editable"]), ("demo", True))

    def test_owner_in_the_body_is_ignored(self) -> None:
        answer = self.client.post("/api/snippets/", HELLO | {"owner": "demo"}, JSON)
        self.assertIsNone(answer.json()["owner"])

    def test_indentation_and_blank_lines_of_code_are_kept(self) -> None:
        code = "\n    indented\n\n"
        answer = self.client.post("/api/snippets/", HELLO | {"code": code}, JSON)
        self.assertEqual(answer.json()["code"], code)

    def test_errors_are_named_by_field(self) -> None:
        wrong = {"title": "t" * 101, "code": "", "language": "klingon", "style": "loud"}
        answer = self.client.post("/api/snippets/", wrong, JSON)
        self.assertEqual(answer.status_code, 400)
        self.assertEqual(set(answer.json()), {"title", "code", "language", "style"})
        self.assertEqual(answer.json()["language"], ["Pygments knows no language “klingon”."])

    def test_code_has_a_limit(self) -> None:
        for length, status in ((MAX_CODE_CHARACTERS, 201), (MAX_CODE_CHARACTERS + 1, 400)):
            with self.subTest(length=length):
                answer = self.client.post("/api/snippets/", HELLO | {"code": "x" * length}, JSON)
                self.assertEqual(answer.status_code, status)

    def test_only_the_owner_and_staff_edit_and_delete(self) -> None:
        url = f"/api/snippets/{self.owned.pk}/"
        cases = [({}, 401), (self.token("other"), 403), (self.token("demo"), 200)]
        for headers, status in [*cases, (self.token("staff"), 200)]:
            answer = self.client.patch(url, {"title": "New"}, JSON, headers=headers)
            self.assertEqual(answer.status_code, status)
        self.assertEqual(self.client.delete(url).status_code, 401)
        answer = self.client.delete(url, headers=self.token("demo"))
        self.assertEqual(answer.status_code, 204)
        self.assertFalse(Snippet.objects.filter(pk=self.owned.pk).exists())

    def test_snippet_of_nobody_is_edited_by_staff_alone(self) -> None:
        url = f"/api/snippets/{self.free.pk}/"
        self.assertEqual(self.client.delete(url, headers=self.token("demo")).status_code, 403)
        self.assertEqual(self.client.delete(url, headers=self.token("staff")).status_code, 204)

    def test_anonymous_creates_are_throttled_and_others_are_not(self) -> None:
        with patch.object(AnonymousCreateThrottle, "rate", "2/min", create=True):
            statuses = [
                self.client.post("/api/snippets/", HELLO, JSON).status_code for _ in range(2)
            ]
            refused = self.client.post("/api/snippets/", HELLO, JSON)
            by_token = self.client.post("/api/snippets/", HELLO, JSON, headers=self.token("demo"))
        self.assertEqual(statuses, [201, 201])
        self.assertEqual(refused.status_code, 429)
        self.assertTrue(1 <= int(refused["Retry-After"]) <= 60)
        self.assertEqual(by_token.status_code, 201)
        self.assertEqual(self.client.get("/api/snippets/").status_code, 200)

    def test_forwarded_address_does_not_escape_the_throttle(self) -> None:
        with patch.object(AnonymousCreateThrottle, "rate", "1/min", create=True):
            self.client.post("/api/snippets/", HELLO, JSON)
            headers = {"X-Forwarded-For": "203.0.113.7"}
            answer = self.client.post("/api/snippets/", HELLO, JSON, headers=headers)
        self.assertEqual(answer.status_code, 429)

    def test_browsable_pages_are_served(self) -> None:
        answer = self.client.get("/api/snippets/", headers={"Accept": "text/html"})
        self.assertContains(answer, "HTML form")
        self.assertContains(self.client.get("/api-auth/login/"), "password")


class HighlightTests(DemoTestCase):
    """What Pygments makes of code, saved or not."""

    def test_highlight_is_a_page_with_the_style_of_the_snippet(self) -> None:
        answer = self.client.get(f"/api/snippets/{self.owned.pk}/highlight/")
        self.assertEqual(answer["Content-Type"], "text/html; charset=utf-8")
        self.assertContains(answer, '<link rel="stylesheet" href="/api/styles/default.css">')
        self.assertContains(answer, '<span class="mi">1</span>')

    def test_highlight_escapes_code_and_title(self) -> None:
        evil = Snippet.objects.create(title="<b>", code="<script>", language="text")
        answer = self.client.get(f"/api/snippets/{evil.pk}/highlight/")
        self.assertContains(answer, "&lt;script&gt;")
        self.assertContains(answer, "<h1>&lt;b&gt;</h1>")
        self.assertNotContains(answer, "<script>")

    def test_highlight_of_a_missing_snippet_is_404(self) -> None:
        self.assertEqual(self.client.get("/api/snippets/0/highlight/").status_code, 404)

    def test_preview_highlights_and_saves_nothing(self) -> None:
        body = {"code": "\n  x = 1", "linenos": True}
        answer = self.client.post("/api/preview/", body, JSON)
        self.assertContains(answer, '<div class="highlight">')
        self.assertContains(answer, '<span class="linenos">2</span>')
        self.assertEqual(Snippet.objects.count(), 2)

    def test_preview_names_errors_by_field(self) -> None:
        body = {"code": "x", "language": "klingon"}
        answer = self.client.post("/api/preview/", body, JSON)
        self.assertEqual((answer.status_code, set(answer.json())), (400, {"language"}))

    def test_stylesheet_is_css_and_cacheable(self) -> None:
        answer = self.client.get("/api/styles/monokai.css")
        self.assertContains(answer, ".highlight .k")
        self.assertEqual(answer["Content-Type"], "text/css; charset=utf-8")
        self.assertIn("max-age=3600", answer["Cache-Control"])
        self.assertEqual(self.client.get("/api/styles/loud.css").status_code, 404)

    def test_languages_name_what_a_snippet_takes(self) -> None:
        found = self.client.get("/api/languages/").json()
        names = {language["name"] for language in found["languages"]}
        self.assertLessEqual(set(found["popular"]), names)
        self.assertIn("monokai", found["styles"])
        self.assertLessEqual({sample.language for sample in SAMPLES}, names)
        self.assertLessEqual({sample.style for sample in SAMPLES}, set(found["styles"]))


class OtherViewTests(DemoTestCase):
    """The class view, the async view and the page."""

    def test_stats_count_by_language(self) -> None:
        Snippet.objects.create(title="Second", code="y = 2", owner=self.demo)
        self.assertEqual(
            self.client.get("/api/stats/").json(),
            {
                "total": 3,
                "anonymous": 1,
                "languages": [
                    {"language": "python", "count": 2},
                    {"language": "sql", "count": 1},
                ],
            },
        )

    def test_recent_lists_the_newest_without_code(self) -> None:
        rows = self.client.get("/api/recent/?limit=1").json()["results"]
        self.assertEqual([row["title"] for row in rows], ["Free"])
        self.assertNotIn("code", rows[0])

    def test_recent_refuses_a_wrong_limit(self) -> None:
        for limit in ("0", "51", "many"):
            with self.subTest(limit=limit):
                answer = self.client.get(f"/api/recent/?limit={limit}")
                self.assertEqual((answer.status_code, set(answer.json())), (400, {"limit"}))

    def test_home_needs_no_inline_script_and_no_other_host(self) -> None:
        answer = self.client.get("/", headers={"Host": "localhost"})
        policy = answer["Content-Security-Policy"]
        nonce = re.search(r"script-src 'nonce-([\w-]{20,})';", policy)[1]
        self.assertIn("style-src 'self';", policy)
        self.assertIn("ws://localhost", policy)
        html = answer.content.decode()
        self.assertNotIn(" style=", html)
        self.assertNotRegex(html, r"<script(?![^>]*\ssrc=)|<style|\son\w+=|https?://")
        scripts = re.findall(r"<script[^>]*>", html)
        self.assertEqual(len(scripts), 2)  # the client's, and the page's own
        for script in scripts:
            self.assertIn(f'nonce="{nonce}"', script)
        self.assertNotIn(nonce, self.client.get("/").content.decode())

    def test_home_gives_what_calls_by_http_need(self) -> None:
        answer = self.client.get("/")
        self.assertIn("csrftoken", answer.cookies)
        self.assertContains(answer, "data-wsrequest=")


class SessionTests(DemoTestCase):
    """/api/session/: login, who am I, logout."""

    def test_login_holds_and_logout_ends_it(self) -> None:
        nobody = {"user": None, "via": None}
        self.assertEqual(self.client.get("/api/session/").json(), nobody)
        body = {"username": "demo", "password": "demo"}
        answer = self.client.post("/api/session/", body, JSON)
        me = {"user": {"username": "demo", "is_staff": False}, "via": "session"}
        self.assertEqual((answer.status_code, answer.json()), (200, me))
        self.assertEqual(self.client.get("/api/session/").json(), me)
        self.assertEqual(self.client.delete("/api/session/").status_code, 204)
        self.assertEqual(self.client.get("/api/session/").json(), nobody)

    def test_token_says_who_i_am(self) -> None:
        answer = self.client.get("/api/session/", headers=self.token("staff")).json()
        self.assertEqual(answer, {"user": {"username": "staff", "is_staff": True}, "via": "token"})

    def test_wrong_password_and_missing_fields_are_400(self) -> None:
        body = {"username": "demo", "password": "wrong"}
        answer = self.client.post("/api/session/", body, JSON)
        self.assertEqual((answer.status_code, set(answer.json())), (400, {"non_field_errors"}))
        answer = self.client.post("/api/session/", {}, JSON)
        self.assertEqual((answer.status_code, set(answer.json())), (400, {"username", "password"}))

    def test_login_and_logout_are_checked_for_csrf(self) -> None:
        strict = Client(enforce_csrf_checks=True)
        body = {"username": "demo", "password": "demo"}
        self.assertEqual(strict.post("/api/session/", body, JSON).status_code, 403)
        strict.force_login(self.demo)
        self.assertEqual(strict.delete("/api/session/").status_code, 403)

    def test_refresh_gives_a_token_that_works(self) -> None:
        body = {"username": "demo", "password": "demo"}
        pair = self.client.post("/api/token/", body, JSON).json()
        answer = self.client.post("/api/token/refresh/", {"refresh": pair["refresh"]}, JSON)
        headers = {"Authorization": f"JWT {answer.json()['access']}"}
        me = self.client.get("/api/session/", headers=headers).json()
        self.assertEqual(me["user"]["username"], "demo")

    def test_refused_token_is_401_with_a_code(self) -> None:
        answer = self.client.get("/api/session/", headers={"Authorization": "JWT nonsense"})
        self.assertEqual((answer.status_code, answer.json()["code"]), (401, "token_not_valid"))


@quick_passwords
class CommandTests(TestCase):
    """``erase_old_snippets`` and ``seed``."""

    def call(self, *args: object) -> str:
        """Return what the command printed."""
        printed = StringIO()
        call_command(*args, stdout=printed)
        return printed.getvalue()

    def test_erase_takes_what_is_older_and_nothing_else(self) -> None:
        now = timezone.now()
        for age in (0, 6, 8):
            Snippet.objects.create(title=f"{age}", code="x", created=now - timedelta(days=age))
        self.assertEqual(self.call("erase_old_snippets", "--days", "7"), "1 snippet erased\n")
        self.assertEqual([snippet.title for snippet in Snippet.objects.all()], ["0", "6"])
        self.assertEqual(self.call("erase_old_snippets", "--days", "0"), "2 snippets erased\n")

    def test_erase_refuses_a_missing_or_wrong_age(self) -> None:
        for args in ((), ("--days", "-1"), ("--days", "many"), ("--days", "99999")):
            with self.subTest(args=args), self.assertRaises(CommandError):
                self.call("erase_old_snippets", *args)

    @override_settings(DEBUG=True)
    def test_seed_twice_is_seed_once(self) -> None:
        self.assertEqual(self.call("seed"), "12 of 12 snippets created, the rest was there\n")
        User.objects.get(username="demo").snippets.first().delete()
        self.assertEqual(self.call("seed"), "1 of 12 snippets created, the rest was there\n")
        self.assertEqual((Snippet.objects.count(), User.objects.count()), (12, 2))
        self.assertTrue(self.client.login(username="demo", password="demo"))
        self.assertTrue(User.objects.get(username="admin").is_superuser)

    @override_settings(DEBUG=True)
    def test_seed_leaves_what_visitors_changed(self) -> None:
        self.call("seed")
        demo = User.objects.get(username="demo")
        demo.set_password("changed")
        demo.save()
        anonymous = next(sample for sample in SAMPLES if not sample.by_demo)
        Snippet.objects.create(title=anonymous.title, code="a second one of this title")
        self.call("seed")
        self.assertTrue(self.client.login(username="demo", password="changed"))
        self.assertEqual(Snippet.objects.count(), 13)

    @override_settings(DEBUG=False)
    def test_seed_makes_no_known_passwords_in_production(self) -> None:
        with self.assertRaises(CommandError):
            self.call("seed")
        self.assertFalse(User.objects.exists())
