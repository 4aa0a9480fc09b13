"""The live pages over plain HTTP; tests/demo has them in browsers, with and without JavaScript."""

import re
from unittest.mock import patch

from snippets.models import Snippet
from snippets.tests import DemoTestCase
from snippets.throttles import AnonymousCreateThrottle

FORM = {"title": "Hello", "language": "python", "code": "print('hello')"}


class LivePageTests(DemoTestCase):
    """/pages/: the list with its form, the detail, and who may change what."""

    def test_list_has_one_page_of_rows_and_their_number(self) -> None:
        for number in range(9):
            Snippet.objects.create(title=f"Number {number}", code="x")
        page = self.client.get("/pages/")
        self.assertContains(page, "<title>11 snippets · live pages</title>")
        self.assertContains(page, '<li id="snippet-', 6)
        self.assertContains(page, 'href="?page=2"')
        self.assertContains(self.client.get("/pages/?page=2"), '<li id="snippet-', 5)
        self.assertContains(self.client.get("/pages/?page=99"), "Page 2 of 2")

    def test_empty_list_says_so(self) -> None:
        Snippet.objects.all().delete()
        self.assertContains(self.client.get("/pages/"), "No snippets yet.")

    def test_visitor_creates_a_snippet_of_nobody_and_a_user_their_own(self) -> None:
        for user in (None, self.demo):
            if user:
                self.client.force_login(user)
            page = self.client.post("/pages/", FORM, follow=True)
            self.assertEqual(page.redirect_chain, [("/pages/", 302)])
            self.assertContains(page, "Created “Hello”.")
            self.assertEqual(Snippet.objects.first().owner, user)
        self.assertNotContains(self.client.get("/pages/"), "Created")

    def test_code_is_kept_with_the_line_ends_of_python(self) -> None:
        self.client.post("/pages/", FORM | {"code": "  if x:\r\n    y\r\n\r\n"})
        self.assertEqual(Snippet.objects.first().code, "  if x:\n    y\n\n")

    def test_errors_stand_at_their_fields(self) -> None:
        page = self.client.post("/pages/", {"title": "", "language": "klingon", "code": "x"})
        self.assertEqual(page.status_code, 200)
        self.assertContains(page, 'id="id_title_error"')
        self.assertContains(page, "Pygments knows no language “klingon”.")
        self.assertEqual(Snippet.objects.count(), 2)

    def test_anonymous_creates_are_throttled_with_those_of_the_api(self) -> None:
        with patch.object(AnonymousCreateThrottle, "rate", "1/min", create=True):
            self.client.post("/api/snippets/", FORM)
            self.assertContains(self.client.post("/pages/", FORM), "Too many at once.")
            self.client.force_login(self.demo)
            self.assertEqual(self.client.post("/pages/", FORM).status_code, 302)

    def test_detail_escapes_and_links_to_what_one_may(self) -> None:
        evil = Snippet.objects.create(title="<b>", code="<script>", language="text")
        page = self.client.get(f"/pages/{evil.pk}/")
        self.assertContains(page, "&lt;b&gt;</h1>")
        self.assertContains(page, "&lt;script&gt;")
        own = f"/pages/{self.owned.pk}/"
        self.assertNotContains(self.client.get(own), "Edit")
        self.client.force_login(self.demo)
        self.assertContains(self.client.get(own), f'href="{own}edit/"')
        self.assertEqual(self.client.get("/pages/0/").status_code, 404)

    def test_only_the_owner_and_staff_edit_and_delete(self) -> None:
        for path in ("edit/", "delete/"):
            url = f"/pages/{self.owned.pk}/{path}"
            self.client.logout()
            login = self.client.get(url)
            self.assertRedirects(login, f"/api-auth/login/?next={url}")
            for user, status in ((self.other, 403), (self.staff, 200), (self.demo, 200)):
                self.client.force_login(user)
                self.assertEqual(self.client.get(url).status_code, status)
        edited = self.client.post(f"/pages/{self.owned.pk}/edit/", FORM, follow=True)
        self.assertContains(edited, "Saved “Hello”.")
        deleted = self.client.post(f"/pages/{self.owned.pk}/delete/", follow=True)
        self.assertContains(deleted, "Deleted “Hello”.")
        self.assertFalse(Snippet.objects.filter(pk=self.owned.pk).exists())

    def test_language_that_is_not_popular_stays(self) -> None:
        self.free.language = "haskell"
        self.free.save()
        self.client.force_login(self.staff)
        page = self.client.get(f"/pages/{self.free.pk}/edit/")
        self.assertContains(page, '<option value="haskell" selected>')

    def test_region_counts_languages(self) -> None:
        Snippet.objects.create(title="Second", code="y = 2")
        page = self.client.get("/pages/languages/")
        self.assertRegex(page.content.decode(), r"python</span> 2<.*sql</span> 1<")
        self.assertContains(self.client.get("/pages/"), '<li id="language-python">')

    def test_pages_have_no_script_but_the_clients(self) -> None:
        for path in ("", f"{self.owned.pk}/"):
            answer = self.client.get(f"/pages/{path}")
            html = answer.content.decode()
            scripts = re.findall(r'<script[^>]* src="([^"]*)"', html)
            self.assertEqual(len(re.findall("<script", html)), 2)
            self.assertTrue(all("/wsrequest/" in script for script in scripts), scripts)
            nonce = re.search(r"'nonce-([\w-]+)'", answer["Content-Security-Policy"])[1]
            self.assertEqual(html.count(f'nonce="{nonce}"'), 2)
            self.assertNotRegex(html, r" style=|<style|\son\w+=")
