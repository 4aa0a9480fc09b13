"""scripts/prose.py finds each habit, counts words as a reader does, and its list only shrinks."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


def load() -> ModuleType:
    """Return the script, which no package holds."""
    spec = importlib.util.spec_from_file_location("prose", ROOT / "scripts/prose.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


prose = load()
PLANTED = {
    "opens with 'so many'": "So often it is looked whether the session is valid.",
    "'is no' reads inverted": "The name is no setting.",
    "'has none'": "A cookie is sent, unless the browser has none.",
    "'whoever' or 'whom'": "The page is for whoever is on call.",
    "'anew': again": "Each message is authenticated anew.",
    "'mend': fix": "Mend that view.",
    "'meanwhile'": "New requests are refused meanwhile.",
    "'hear of': receive": "The process does not hear of the commit.",
    "'told': name the thing that happens": "The server takes 4 unless told otherwise.",
    "'say' for 'for example'": "It helps elsewhere, in a form, say.",
    "semicolon: make two sentences": "The view runs; its response is sent.",
    "the same word twice": "The view runs runs again.",
}
SOUND = [
    "So many as 40 may wait, and so do views that say nothing.",
    "There is no bus, the socket is no longer open, and no one waits.",
    "It has some (nginx has 60 s; AWS has 60 s).",
    "Set it to `a; b is no setting`, as you would say in Django.",
    "Write one-by-one, not `the the`.",
    f"These are refused: {', '.join(f'X-{number}-*' for number in range(50))}",
]


def found(text: str) -> list[str]:
    return list(prose.problems([text]))


@pytest.mark.parametrize("habit", prose.HABITS)
def test_each_habit_is_found_in_a_planted_sentence(habit: str) -> None:
    [problem] = found(PLANTED[habit])
    assert problem == f"{habit}: {PLANTED[habit]}"


@pytest.mark.parametrize("sentence", SOUND)
def test_sound_sentence_passes(sentence: str) -> None:
    assert found(prose.plain(sentence)) == []


def test_sentence_of_more_than_40_words_is_found() -> None:
    assert found(" ".join(f"w{number}" for number in range(40))) == []
    [problem] = found(" ".join(f"w{number}" for number in range(41)))
    assert problem.startswith("41 words, at most 40")


def test_average_is_below_18_words_and_labels_do_not_flatter_it() -> None:
    texts = [" ".join(f"w{number}" for number in range(words)) + "." for words in (16, 19)]
    assert prose.problems(texts) == []
    texts = [" ".join(f"w{number}" for number in range(words)) + "." for words in (17, 19)]
    [problem] = prose.problems([*texts, "a label", "2,048"])
    assert problem.startswith("18.0 words per sentence")


def test_words_are_counted_as_they_read() -> None:
    text = prose.plain(
        "See [the *settings* page](settings.md#a-b) for `WSREQUEST_PATH = 1`, **now**."
    )
    assert text == "See the settings page for `code`, now."
    assert prose.word_counts([text]) == [7]


def test_sentence_ends_before_a_capital_a_code_span_and_our_own_name() -> None:
    text = (
        "It ends. `code` runs (e.g. Django, i.e. WSGI). wsrequest waits 0.5 s. 1 client stays. Go"
    )
    assert [len(each.split()) for each in prose.sentences(text)] == [2, 6, 4, 3, 1]


def test_page_is_read_without_its_code_and_headings() -> None:
    page = (
        "# A heading; no prose\n\nOne line\ngoes on.\n\n- An item\n  goes on.\n- Another.\n\n"
        "| a cell | another |\n|---|---|\n\n    code; here\n\n```python\ncode; here\n```\n\n"
        "<!-- a; comment -->\n> Quoted."
    )
    texts = [text for text in prose.markdown_blocks(page) if set(text) - set("-")]
    assert texts == [
        *("One line goes on.", "An item goes on.", "Another.", "a cell", "another", "Quoted.")
    ]


def test_module_is_read_by_its_docstrings_and_comments() -> None:
    source = (
        '"""A module.\n\nMore of it, as in::\n\n    code; here\n\nThe end.\n\n'
        'Args:\n    name: the first.\n    other: the\n        second.\n"""\n'
        "a = 1  # Beside it.\n# One line\n# goes on.\n\n# Another.\nb = 2  # noqa: E501; here\n"
        "c = '# no; comment'\n"
    )
    assert [text for text in prose.python_blocks(source) if text] == [
        *("A module.", "More of it, as in::", "The end.", "the first.", "the second."),
        *("Beside it.", "One line goes on.", "Another."),
    ]


def test_module_of_the_client_is_read_by_its_comments() -> None:
    source = (
        "/**\n * A module.\n *\n * - `one`: an item\n * - another\n */\n"
        'const a = "// no; comment"; // Beside it.\n// One line\n  // goes on.\n\n// Another.\n'
        "const b = /[\"'/]*/.test(`/* no; comment */`) ? 4 / 2 : 1; // b / 2\n"
        '/** An option. @default "a; b" */\n'
    )
    assert sorted(text for text in prose.typescript_blocks(source) if text) == sorted(
        [
            "A module.",
            "`code`: an item",
            "another",
            "Beside it.",
            "One line goes on.",
            "Another.",
            "b / 2",
        ]
        + ["An option."]
    )


def test_list_of_files_that_do_not_pass_has_no_other() -> None:
    """A file that passes, or is gone, has to leave the list."""
    paths = [ROOT / name for name in prose.PENDING]
    assert [path for path in paths if not path.exists()] == []
    assert [path for path in paths if not prose.problems(prose.blocks(path))] == []


def test_list_of_files_that_do_not_pass_is_in_order() -> None:
    assert list(prose.PENDING) == sorted(set(prose.PENDING))
