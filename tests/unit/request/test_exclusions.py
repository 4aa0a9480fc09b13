"""Paths that no message reaches."""

import pytest

from wsrequest.request.exclusions import ExcludedPaths


@pytest.mark.parametrize(
    ("excluded", "path", "covers"),
    [
        ("/admin/", "/admin/", True),
        ("/admin/", "/admin", True),
        ("/admin/", "/admin/auth/user/", True),
        ("/admin", "/admin/auth/", True),
        ("/admin/", "/administration/", False),
        ("/admin/", "/x/admin/", False),
        ("/admin/", "/Admin/", False),  # to Django, too, that is another path
        ("/metrics", "/metrics/x", True),
        ("/metrics", "/metrics", True),
        ("/metrics", "/metrics\n", True),
        ("/api/notes", "/api/notes.json", True),
        ("/api/notes", "/api/notes;x", True),
        ("/api/notes", "/api/note", False),
        ("/api/notes/", "/api/notes.json", False),
        ("/api/notes/", "/api/note", False),
        ("/", "/anything/", True),
        ("/größe/", "/größe/x".encode().decode("latin1"), True),
    ],
)
def test_a_path_is_excluded_as_a_proxy_guards_it(excluded: str, path: str, covers: bool) -> None:
    assert ExcludedPaths.of([excluded]).covers(path) is covers


def test_without_paths_nothing_is_excluded() -> None:
    assert not ExcludedPaths() and not ExcludedPaths.of(()).covers("/admin/")
