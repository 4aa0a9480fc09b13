"""What is embedded in a page closes all that it opens, and closes nothing else."""

import time

import pytest

from wsrequest.live import page_tag
from wsrequest.pages.fragments import fragment_of

DOCUMENT = (
    "<!doctype html><html><head><title>T</title></head>"
    '<body class="x"><p id=other>a<div class="y" id="r"><ul><li>1<li>2</ul></div>rest</body></html>'
)


@pytest.mark.parametrize(
    "html",
    [
        "",
        "text",
        "1 < 2 & 3 > 2",
        "<p>a</p><br><img src=x><hr/>",
        "<ul><li>a<li>b</ul>",
        "<table><tr><td>a<td>b<tr><td>c</table>",
        "<select><option>a<option>b</select>",
        "<dl><dt>a<dd>b<dt>c<dd>d</dl>",
        "<p>a<div>b</div>",
        "<P>a</p>",
        "<a title=it's>b</a>",
        """<a title='>' data-x=">">b</a>""",
        "<x-y><x-y>a</x-y></x-y>",
        "<script>if (a </b) '</div>'</script>",
        "<style>a > b {}</style><textarea><div></textarea>",
        "<svg><path/><g><use/></g></svg>",
        "<!-- </div> --><!-->a<!doctype x>",
        "<template><td>a</td></template>",
    ],
)
def test_balanced_html_stays_as_it_is(html: str) -> None:
    assert fragment_of(html) == html


@pytest.mark.parametrize(
    ("html", "fragment"),
    [
        ("<div><p>x", "<div><p>x</p></div>"),
        ("</div>x</p>", "x"),
        ("x</body></html>", "x"),
        ("<b>a<i>b</b>", "<b>a<i>b</i></b>"),
        ("<p>a<p>b", "<p>a<p>b</p>"),
        ("<ul><li>a", "<ul><li>a</li></ul>"),
        ("a<b title='x>y", "a"),
        ("a<!-- b <p>", "a"),
        ("<div>a<", "<div>a<</div>"),
        ("<div>a</", "<div>a</</div>"),
        ("<script>a", "<script>a</script>"),
        ("<textarea><p>", "<textarea><p></textarea>"),
        ("<svg><path/><g>", "<svg><path/><g></g></svg>"),
        ("<div/>a", "<div/>a</div>"),
        ("<live-region>a", "<live-region>a</live-region>"),
    ],
)
def test_what_is_left_open_is_closed(html: str, fragment: str) -> None:
    assert fragment_of(html) == fragment


@pytest.mark.parametrize(
    ("html", "id", "fragment"),
    [
        (DOCUMENT, "r", "<ul><li>1<li>2</ul>"),
        (DOCUMENT, "other", "a"),
        (
            DOCUMENT,
            "",
            '<p id=other>a<div class="y" id="r"><ul><li>1<li>2</ul></div>rest',
        ),
        ("<html><head><title>T</title></head><p>a</p></html>", "r", "<p>a</p>"),
        ("<!DOCTYPE html><p>a</p>", "r", "<p>a</p>"),
        ("<body><div id='r'>a<b>c</body>", "r", "a<b>c</b>"),
        ("<body><p id='r'>a</b>c</p></body>", "r", "ac"),
        ("<body><input id=r><p>a</p></body>", "r", ""),
        ("<body data-id=r><p>a</p></body>", "r", "<p>a</p>"),
        ("<body><p data-id=r>b</p><p id=r>a</p></body>", "r", "a"),
        ('<body><p id="a&amp;b">a</p></body>', "a&b", "a"),
    ],
)
def test_of_a_document_only_a_part_is_embedded(html: str, id: str, fragment: str) -> None:
    assert fragment_of(html, id) == fragment


@pytest.mark.parametrize(
    "html",
    [
        "<a =" * 20_000,
        "<!--" * 20_000,
        '<a ="' * 20_000,
        "<p>" * 20_000,
        "<div>" * 20_000 + "</p>" * 20_000,
        "<b>" * 10_000 + "<i>" * 10_000 + "</b>" * 10_000,
        "<script>" * 20_000,
        "<!doctype html><a " + "id = " * 20_000 + ">",
    ],
    ids=lambda html: html[:12],
)
def test_time_does_not_grow_with_the_square(html: str) -> None:
    began = time.process_time()
    fragment_of(html, "r")
    assert time.process_time() - began < 10  # hours if it did


def test_page_without_its_regions_is_the_same_page() -> None:
    inner = page_tag.render_region("/b/", etag="W/x", content="<p>b</p>")
    region = page_tag.render_region("/a/", etag="W/y", region_id="r", content=f"a{inner}a")
    tag = page_tag.render("/", etag="e", proof="p", messages='["m"]')
    full = f"<p>{tag}{region}b<live-region>c</live-region></p>".encode()
    region = page_tag.render_region("/a/", region_id="r")
    empty = f"<p>{tag}{region}b<live-region></live-region></p>".encode()
    assert page_tag.without_regions(full) == empty == page_tag.without_regions(empty)
    assert page_tag.without(full) == full.replace(tag.encode(), page_tag.MARK.rstrip() + b">")
    proven = page_tag.prove_regions(full, lambda url: f"proof{url}")
    assert proven.count(b'data-proof="proof/a/"') == proven.count(b'data-proof="proof/b/"') == 1
    assert page_tag.without_regions(proven) == empty
    assert page_tag.removed(full).startswith(b"<p><live-region")


def test_end_tag_of_no_region_hides_nothing() -> None:
    body = b"<live-region>a</live-region>shown</live-region>shown, too</live-region>"
    counting = page_tag.without_regions(body)
    assert counting == b"<live-region></live-region>shown</live-region>shown, too</live-region>"
