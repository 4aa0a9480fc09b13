"""What is a name and what is not, in each dialect."""

import pytest

from wsrequest.live.sql.tokenizer import NAME, PARAM, WORD, Unparsable, tokenize


def names(sql: str, vendor: str = "postgresql") -> list[str]:
    return [token.text for token in tokenize(sql, vendor) if token.kind in (NAME, WORD)]


@pytest.mark.parametrize(
    ("sql", "vendor", "expected"),
    [
        pytest.param('"Note"', "postgresql", ["note"], id="quoted-is-folded"),
        pytest.param("NOTE", "postgresql", ["note"], id="bare-is-folded"),
        pytest.param('"a ""b"""', "postgresql", ['a "b"'], id="doubled-quote"),
        pytest.param("`note`", "mysql", ["note"], id="backtick"),
        pytest.param("`note`", "sqlite", ["note"], id="backtick-on-sqlite"),
        pytest.param("[a note]", "sqlite", ["a note"], id="bracket"),
        pytest.param("a[note]", "postgresql", ["a", "note"], id="subscript"),
        pytest.param("'note'", "postgresql", [], id="text"),
        pytest.param("'it''s note'", "postgresql", [], id="doubled-quote-in-text"),
        pytest.param(r"E'it\'s note'", "postgresql", [], id="text-with-escapes"),
        pytest.param(r"'it''s \\' note", "mysql", ["note"], id="mysql-text-with-escapes"),
        pytest.param(
            r"LIKE 'a' ESCAPE '\' note", "sqlite", ["like", "escape", "note"], id="escape"
        ),
        pytest.param("$$note$$", "postgresql", [], id="dollars"),
        pytest.param("$a$ $$note$$ $a$ b", "postgresql", ["b"], id="tagged-dollars"),
        pytest.param("a$b$c note", "postgresql", ["a$b$c", "note"], id="dollars-in-a-name"),
        pytest.param("a -- note\nb", "postgresql", ["a", "b"], id="line-comment"),
        pytest.param("5--note", "mysql", ["note"], id="mysql-minus-minus"),
        pytest.param("a # note\nb", "mysql", ["a", "b"], id="mysql-comment"),
        pytest.param("a --\x01note\nb --", "mysql", ["a", "b"], id="mysql-line-comment"),
        pytest.param("a --\xa0note", "mysql", ["a", "\xa0note"], id="mysql-space-beyond-ascii"),
        pytest.param(
            'a "it\'s note" b', "mysql", ["a", "it's note", "b"], id="mysql-double-quotes"
        ),
        pytest.param("a #> note", "postgresql", ["a", "note"], id="operator-is-no-comment"),
        pytest.param("a /* note */ b", "sqlite", ["a", "b"], id="block-comment"),
        pytest.param("a /* /* x */ note */ b", "postgresql", ["a", "b"], id="nested-comment"),
        pytest.param("/* /* x */ note", "sqlite", ["note"], id="sqlite-comments-do-not-nest"),
        pytest.param("/*+ note */ a", "mysql", ["a"], id="hint"),
        pytest.param("/*! note */ a", "sqlite", ["a"], id="only-mysql-runs-this-comment"),
        pytest.param("a%%b", "postgresql", ["a", "b"], id="percent"),
        pytest.param("größe", "postgresql", ["grösse"], id="not-ascii"),
        pytest.param("5e10 1.5 0x1f", "postgresql", [], id="numbers"),
        pytest.param('[a] `b` "c"', "microsoft", ["a", "b", "c"], id="another-vendor"),
    ],
)
def test_names_of_a_text(sql: str, vendor: str, expected: list[str]) -> None:
    assert names(sql, vendor) == expected


@pytest.mark.parametrize(
    ("sql", "vendor"),
    [
        pytest.param('SELECT "note', "postgresql", id="name-is-open"),
        pytest.param("SELECT 'note", "sqlite", id="text-is-open"),
        pytest.param("SELECT /* note", "sqlite", id="comment-is-open"),
        pytest.param("SELECT /* /* */ note", "postgresql", id="nested-comment-is-open"),
        pytest.param(r"SELECT 'a\' FROM b", "postgresql", id="backslash-may-escape"),
        pytest.param(r"SELECT 'a\' FROM b'", "mysql", id="backslash-may-escape-on-mysql"),
        pytest.param(r"SELECT '\\\' FROM b'", "mysql", id="third-backslash-may-escape-on-mysql"),
        pytest.param(r'SELECT "a\" FROM b"', "mysql", id="backslash-in-double-quotes"),
        pytest.param("/*!40000 note */", "mysql", id="mysql-runs-this-comment"),
        pytest.param("/*M!100100 note */", "mysql", id="mariadb-runs-this-comment"),
        pytest.param(r'SELECT U&"d\0061ta"', "postgresql", id="escapes-in-a-name"),
        pytest.param("SELECT q'[it's]' FROM b", "oracle", id="quotes-of-its-own"),
    ],
)
def test_text_with_two_readings_is_refused(sql: str, vendor: str) -> None:
    with pytest.raises(Unparsable):
        tokenize(sql, vendor)


def test_placeholders_are_numbered() -> None:
    tokens = tokenize("a = %s AND '%s' = %s AND c = %(name)s", "postgresql")
    assert [token.number for token in tokens if token.kind == PARAM] == [0, 1, -1]
