"""A text patch gives exactly the new body, is short for usual changes, and its work is bounded."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.patches import apply_text_patch
from wsrequest.live import text_diff
from wsrequest.live.text_diff import changes_of, make_text_patch

often = settings(max_examples=400, deadline=None)

# Texts of few letters, so that equal ones meet. Their characters have one to four bytes, and share
# some of these: é and è begin with the same byte, and Щ ends with the last byte of é.
letters = st.sampled_from([*"ab \n<", "<li>", "<tr>", "é", "è", "Щ", "€", "₭", "😀", "😁"])
texts = st.lists(letters, max_size=40).map("".join)
pages = st.lists(
    st.builds("<li class=row id={}>note {} by somebody who wrote it\n".format, letters, texts),
    max_size=12,
).map("".join)


@st.composite
def edited(draw: st.DrawFn, text: str) -> str:
    """``text`` with some of it changed, as the next response of a view is."""
    for _ in range(draw(st.integers(0, 4))):
        at, end = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        text = text[:at] + draw(letters | texts) + text[end:]
    if draw(st.integers(0, 4)) == 0:
        text = "".join(draw(st.permutations(text.split("\n"))))
    return text


@st.composite
def successions(draw: st.DrawFn) -> tuple[bytes, bytes]:
    old = draw(texts | pages)
    return old.encode(), draw(edited(old) | texts).encode()


def check(old: bytes, new: bytes) -> list[Any]:
    """Apply what differs, and return the changes."""
    changes = changes_of(old, new)
    patch = [(at, end - at, new[start:to].decode()) for at, end, start, to in changes]
    assert apply_text_patch(old, json.loads(json.dumps(patch))) == new
    for at, end, start, to in changes:
        assert (at, start) != (end, to)
        for text, place in ((old, at), (old, end), (new, start), (new, to)):
            text[:place].decode()  # fails within a character
    return patch


@often
@given(successions())
@example(("é".encode(), "è".encode()))
@example(("aé".encode(), "aЩ".encode()))
@example(("€a".encode(), "₭a".encode()))
@example(("é".encode() * 3, "é".encode() * 2))
def test_changes_lead_to_the_new_body_and_split_no_character(
    succession: tuple[bytes, bytes],
) -> None:
    old, new = succession
    changes = check(old, new)
    assert (changes == []) == (old == new)
    printed = make_text_patch(old, new)
    if printed is not None:
        assert len(printed) < len(new)
        assert apply_text_patch(old, json.loads(printed)) == new


def row(number: int, text: str = "") -> str:
    title = text or f"note {number}"
    return (
        f'<li class="row">\n<a href="/notes/{number}/">{title}</a>\n<span class="when">\ntoday\n'
        "</span>\n<p>\nby somebody\n</p>\n</li>\n"
    )


def page(*rows: str, count: int = 1000) -> bytes:
    return f"<!doctype html>\n<title>{count} notes</title>\n<ul>\n{''.join(rows)}</ul>\n".encode()


ROWS = [row(number) for number in range(1000)]
PAGE = page(*ROWS)


@pytest.mark.parametrize("joint", ["\n", "", " "], ids=["lines", "none", "spaces"])
@pytest.mark.parametrize(
    ("new", "most_bytes"),
    [
        pytest.param(page(*ROWS[:500], row(500, "new"), *ROWS[501:]), 30, id="one-row"),
        pytest.param(page(*ROWS[:500], row(500, "new"), *ROWS[501:], count=7), 50, id="two-places"),
        pytest.param(page(row(-1), *ROWS[:-1], count=7), 250, id="in-at-the-head-out-at-the-tail"),
        pytest.param(page(*ROWS[:300], *ROWS[301:700], *ROWS[701:], count=7), 60, id="rows-go"),
        pytest.param(
            page(*[row(n, "new" if n % 20 == 0 else "") for n in range(1000)], count=7),
            1500, id="fifty-rows",
        ),
        pytest.param(page(ROWS[-1], *ROWS[:-1], count=7), 250, id="a-row-moves"),
        pytest.param(PAGE, 2, id="nothing"),
    ],
)  # fmt: skip
def test_patch_of_what_usually_changes_is_short(new: bytes, most_bytes: int, joint: str) -> None:
    old, new = (body.replace(b"\n", joint.encode()) for body in (PAGE, new))
    check(old, new)
    printed = make_text_patch(old, new)
    assert printed is not None and len(printed) <= most_bytes


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b"<b>1</b>", b"<b>2</b>", id="a-small-body"),
        pytest.param(PAGE, b"", id="nothing-is-left"),
        pytest.param(b"", PAGE, id="nothing-was-there"),
        pytest.param(PAGE, PAGE[::-1], id="another-body"),
    ],
)
def test_no_patch_where_the_whole_is_shorter(old: bytes, new: bytes) -> None:
    assert make_text_patch(old, new) is None


def test_body_too_large_to_compare_has_no_patch(monkeypatch: pytest.MonkeyPatch) -> None:
    longer = PAGE + b"<p>"
    for old, new in ((PAGE, longer), (longer, PAGE)):
        monkeypatch.setattr(text_diff, "MAX_BODY_BYTES", len(longer))
        assert make_text_patch(old, new) is not None
        monkeypatch.setattr(text_diff, "MAX_BODY_BYTES", len(PAGE))
        assert make_text_patch(old, new) is None


def test_too_many_changes_are_no_patch(monkeypatch: pytest.MonkeyPatch) -> None:
    new = page(*[row(n, "new" if n % 20 == 0 else "") for n in range(1000)])
    monkeypatch.setattr(text_diff, "MAX_CHANGES", 50)
    assert make_text_patch(PAGE, new) is not None
    monkeypatch.setattr(text_diff, "MAX_CHANGES", 49)
    assert make_text_patch(PAGE, new) is None


# What is hidden.


def form(token: str, text: str = "", every: int = 1) -> tuple[bytes, Any]:
    """A page with a token in its rows, and where these are. Its first letter is the secret."""
    rows = [row(n, f"{token}{text if n == 9 else ''}" if n % every == 0 else "") for n in range(50)]
    body, hidden = page(*rows), []
    at = body.find(token.encode())
    while at >= 0:
        hidden.append((at, at + len(token), token[:1].encode() * len(token)))
        at = body.find(token.encode(), at + 1)
    assert len(hidden) == -(-50 // every)
    return body, hidden


def test_what_is_hidden_stays_as_the_client_has_it() -> None:
    tokens = ["s" + letter * 63 for letter in "ABC"]
    (old, was), (new, now), (held, _) = form(tokens[0]), form(tokens[1], "!"), form(tokens[2])
    printed = make_text_patch(old, new, (was, now))
    assert printed is not None and json.loads(printed) == [[old.index(b"/9/") + 69, 0, "!"]]
    assert apply_text_patch(held, json.loads(printed)) == form(tokens[2], "!")[0]


def test_what_means_something_else_is_replaced_as_a_whole() -> None:
    """A token of which only a part is new would be none."""
    token, other = "s" + "A" * 63, "t" + "A" * 63
    (old, was), (new, now) = form(token, every=20), form(other, every=20)
    printed = make_text_patch(old, new, (was, now))
    assert printed is not None
    assert apply_text_patch(old, json.loads(printed)) == new
    assert [text for *_, text in json.loads(printed)] == [other] * 3


@often
@given(
    st.lists(texts | st.sampled_from(["M", "N"]), max_size=8),
    st.lists(texts | st.sampled_from(["M", "N"]), max_size=8),
)
def test_a_patch_fits_each_body_that_differs_where_it_is_hidden(
    before: list[str], after: list[str]
) -> None:
    """M and N are two secrets. A body has a token of each, and they stay whole."""

    def made(parts: list[str], letter: str) -> tuple[bytes, list[tuple[int, int, bytes]]]:
        body, hidden = b"", []
        for part in parts:
            if part in ("M", "N"):
                hidden.append((len(body), len(body) + 16, part.encode() * 16))
                part = f"{part}{letter * 14}{part}"
            body += part.encode()
        return body, hidden

    def plain(body: bytes) -> bytes:
        for letter in b"123":
            body = body.replace(bytes([letter]) * 14, b"+" * 14)
        return body

    (old, was), (new, now), (held, _) = made(before, "1"), made(after, "2"), made(before, "3")
    printed = make_text_patch(old, new, (was, now))
    if printed is not None:
        assert plain(apply_text_patch(held, json.loads(printed))) == plain(new)


# Its work.


def lines(count: int, start: int = 0, step: int = 1, end: str = "\n") -> bytes:
    return "".join(f"{number * step % count + start}{end}" for number in range(count)).encode()


HOSTILE = {
    "many lines": (lines(2**17), lines(2**17, 7)[:-2] + b"x"),
    "many tags": (b"<" * 2**20, b"<" + b" <" * 2**19),
    "many words": (b"a " * 2**19, b"b " * 2**19),
    "one line": (b"a" * 2**20, b"b" * 2**20),
    "rows in another order": (lines(8000), lines(8000, step=4001)),
    "equal lines": (b"\n".join([b"x" * 70] * 9000), b"\n".join([b"x" * 69 + b"y"] * 9000)),
    "every second line": (lines(8000), lines(8000).replace(b"5\n", b"five\n" * 9)),
    "rows of words": (lines(4000, end=" <li>\n" * 3), lines(4000, 1, 1999, end=" <li>\n" * 3)),
    "continuations": ("€".encode() * 2**18, "₭".encode() * 2**18),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_work_on_hostile_bodies_is_bounded(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop waits for it. What grows is counted: pieces, and bytes that are compared."""
    old, new = HOSTILE[case]
    counts = {"pieces": 0, "steps": 0}
    anchors, goes_on = text_diff._anchors, text_diff._goes_on

    def counted(before: Any, after: Any, apart: int) -> Any:
        counts["pieces"] += len(before) + len(after)
        return anchors(before, after, apart)

    def stepped(*args: Any) -> bool:
        counts["steps"] += 1
        return goes_on(*args)

    monkeypatch.setattr(text_diff, "_anchors", counted)
    monkeypatch.setattr(text_diff, "_goes_on", stepped)
    changes = changes_of(old, new)
    assert counts["pieces"] <= 2**14
    assert counts["steps"] <= 20 * 2**14
    assert len(changes) <= 2**14
    make_text_patch(old, new)
