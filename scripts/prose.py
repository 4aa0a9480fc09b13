"""Checks the prose of the documents, and of the docstrings and comments in the code.

Usage: scripts/prose.py            fail where a rule is broken
       scripts/prose.py --counts   print the words per sentence of each file
       scripts/prose.py FILE ...   every problem of these files, listed or not

proselint brings the general rules. The rules below keep sentences short, and keep out the habits
that make text read as translated. A file of PENDING does not pass our own rules yet: rewrite it,
then take it off the list. Add no file to the list.
"""

import ast
import io
import math
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_AVERAGE_WORDS = 18
MAX_WORDS = 40

PENDING: tuple[str, ...] = ()

HABITS = {
    "opens with 'so many'": r"(?:^|[.:;] )so (?:many|much|long|often|few)\b(?! as\b)",
    "'is no' reads inverted": r"(?<!there )\b(?:is|are|was|were|be) no (?!longer|more|one)\b",
    "'has none'": r"\b(?:is|are|has|have|had|was|were) none\b",
    "'whoever' or 'whom'": r"\b(?:whoever|whomever|whom)\b",
    "'anew': again": r"\banew\b",
    "'mend': fix": r"\bmend(?:s|ed|ing)?\b",
    "'meanwhile'": r"\bmeanwhile\b",
    "'hear of': receive": r"\b(?:hears?|heard|hearing) of\b",
    "'told': name the thing that happens": r"\btold\b(?! apart)",
    "'say' for 'for example'": r",? \(?say,|, say(?=[.):]| [\w`\"]|$)",
    "semicolon: make two sentences": r";(?= |$)(?![^(]*\))",  # in parentheses it may stand
    "the same word twice": r"(?<![-\w])(?-i:([a-z]+) \1)(?![-\w])",
}
COMPILED = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in HABITS.items()}

ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|etc|vs|cf|No)\.$")
SENTENCE_END = re.compile(
    r"[.!?][)\"'*\]]*(?= +(?:[A-Z`\"'(\[*]|\d|(?:wsrequest|uvicorn|nginx)\b))"
)
WORD = re.compile(r"[^\W_][\w'’.:/-]*|§")
NAMES = re.compile(r"(?:, [\w*\\-]+){5,}")  # a list of names is read as one word
LIST_MARK = re.compile(r"^(?:[-*+]|\d+[.)]) +")
CELL_END = re.compile(r"(?<!\\)\||<br>")
SECTION = re.compile(r"^(?:Args|Raises|Returns|Yields|Attributes|Source|Note|Example):(?: |$)")
MEMBER = re.compile(r"^[\w*`.]+(?: \([^)]*\))?: ")
DIRECTIVE = re.compile(r"^#(?:!| type: | noqa| fmt: | pragma)")
# Strings and regular expressions match first, so that no comment begins in them.
TYPESCRIPT = re.compile(
    r"""
    "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | `(?:\\.|[^`\\])*`
    | /\*\*?(?P<doc>.*?)\*/ | //\ ?(?P<line>[^\n]*)
    | /(?![\s=])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])+/
    """,
    re.VERBOSE | re.DOTALL,
)


def pages() -> list[Path]:
    """Return the documents that the rules are for."""
    found = [*ROOT.glob("*.md"), ROOT / "benchmarks/README.md", *(ROOT / "docs").rglob("*.md")]
    return sorted(found)


def modules() -> list[Path]:
    """Return the modules whose docstrings and comments the rules are for."""
    python = (ROOT / "src/wsrequest").rglob("*.py")
    return [*sorted(python), *sorted((ROOT / "client/src").glob("*.ts"))]


def blocks(path: Path) -> list[str]:
    """Return the paragraphs, list items, table cells, docstrings and comments of a file."""
    text = path.read_text(encoding="utf-8")
    read = {".py": python_blocks, ".ts": typescript_blocks}.get(path.suffix, markdown_blocks)
    return [block for block in read(text) if block]


def markdown_blocks(text: str) -> Iterator[str]:
    """Yield the prose of a page: no code, no headings, each cell of a table by itself."""
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"^( *)```.*?^\1```", "", text, flags=re.MULTILINE | re.DOTALL)
    paragraph: list[str] = []
    is_list = False
    for line in [*text.splitlines(), ""]:
        stripped = line.strip()
        is_code = line.startswith("    ") and not paragraph and not is_list
        is_item = LIST_MARK.match(stripped) and not is_code
        is_new = not stripped or is_code or is_item or stripped[0] in "|#"
        if is_new and paragraph:
            yield plain(" ".join(paragraph))
            paragraph = []
        if stripped.startswith("|"):
            yield from (plain(cell) for cell in CELL_END.split(stripped) if cell.strip())
        elif stripped and not is_code and not stripped.startswith("#"):
            paragraph.append(LIST_MARK.sub("", stripped.removeprefix("> ")))
        if stripped:
            is_list = bool(is_item) or (is_list and line.startswith(" "))


def python_blocks(text: str) -> Iterator[str]:
    """Yield the paragraphs of the docstrings and comments of a module."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from docstring_blocks(ast.get_docstring(node) or "")
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = [each for each in tokens if each.type == tokenize.COMMENT]
    yield from joined(
        (each.start[0], each.line[: each.start[1]], re.split(r"#:? ?", each.string, maxsplit=1)[1])
        for each in comments
        if not DIRECTIVE.match(each.string)
    )


def typescript_blocks(text: str) -> Iterator[str]:
    """Yield the paragraphs of the doc comments and comments of a module of the client."""
    comments = []
    for match in TYPESCRIPT.finditer(text):
        if match["doc"]:
            doc = re.sub(r"@default .*", "", match["doc"])
            yield from docstring_blocks(re.sub(r"^ *\* ?", "", doc, flags=re.MULTILINE).strip())
        elif match["line"]:
            before = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
            comments.append((text.count("\n", 0, match.start()), before, match["line"]))
    yield from joined(comments)


def joined(comments: Iterable[tuple[int, str, str]]) -> Iterator[str]:
    """Join comments on consecutive lines. Each has its line, the code before it and its text."""
    block: list[str] = []
    last_line: float = -1
    for line, before, text in comments:
        stands_alone = not before.strip()
        if block and not (stands_alone and line == last_line + 1):
            yield plain(" ".join(block))
            block = []
        block.append(text)
        last_line = line if stands_alone else math.inf
    yield plain(" ".join(block))


def docstring_blocks(text: str) -> Iterator[str]:
    """Yield the paragraphs of one docstring, and each argument by itself."""
    paragraph: list[str] = []
    is_code = False
    for line in [*text.splitlines(), ""]:
        stripped = line.strip()
        is_code = is_code and (not stripped or line.startswith("    "))
        if is_code and paragraph:
            yield plain(" ".join(paragraph))
            paragraph = []
        if is_code:
            continue
        begins = SECTION.match(stripped) or MEMBER.match(stripped) or LIST_MARK.match(stripped)
        if paragraph and (not stripped or begins):
            yield plain(" ".join(paragraph))
            paragraph = []
        if stripped:
            text = LIST_MARK.sub("", MEMBER.sub("", SECTION.sub("", stripped)))
            paragraph += [text] if text else []
            is_code = stripped.endswith("::")


def plain(text: str) -> str:
    """Return a block as it reads: a code span is one word, a link is its text."""
    text = re.sub(r"(`+)(.+?)\1", "`code`", text.strip())
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"<https?:[^>]*>|https?://\S+", "link", text)
    text = re.sub(r"</?\w+>|&\w+;|\*\*|(?<!\w)[*_]|[*_](?!\w)", "", text)
    return re.sub(r"\s+", " ", text).strip()


def sentences(block: str) -> list[str]:
    """Return the sentences of a block."""
    found = []
    start = 0
    for end in SENTENCE_END.finditer(block):
        if not ABBREVIATION.search(block[start : end.start() + 1]):
            found.append(block[start : end.end()].strip())
            start = end.end()
    return [sentence for sentence in (*found, block[start:].strip()) if sentence]


def word_counts(texts: Iterable[str]) -> list[int]:
    """Return the number of words of each sentence, but not of labels and cells of tables."""
    found = (each for text in texts for each in sentences(text))
    return [len(WORD.findall(each)) for each in found if each.endswith((".", "!", "?", ":"))]


def problems(texts: list[str]) -> list[str]:
    """Return what our own rules find in the blocks of one file."""
    found = []
    counts = word_counts(texts)
    if counts and sum(counts) / len(counts) >= MAX_AVERAGE_WORDS:
        average = sum(counts) / len(counts)
        found.append(f"{average:.1f} words per sentence: stay below {MAX_AVERAGE_WORDS}")
    for sentence in (each for text in texts for each in sentences(text)):
        words = len(WORD.findall(NAMES.sub(", names", sentence)))
        if words > MAX_WORDS:
            found.append(f"{words} words, at most {MAX_WORDS}: {sentence}")
        found += [
            f"{name}: {sentence}" for name, habit in COMPILED.items() if habit.search(sentence)
        ]
    return found


def general_problems(path: Path, texts: list[str]) -> list[str]:
    """Return what proselint finds."""
    from proselint.checks import __register__  # only scripts/check installs it
    from proselint.config import DEFAULT
    from proselint.registry import CheckRegistry
    from proselint.tools import LintFile

    registry = CheckRegistry()
    if not registry.checks:
        registry.register_many(__register__)
    off = (
        "misc.phrasal_adjectives",  # takes Early-Data for one
        "lexical_illusions",  # reads across paragraphs; our own rule does not
        "typography",  # we write ASCII quotes
    )
    checks = {
        **dict.fromkeys(off, False),
        **{k: v for k, v in DEFAULT["checks"].items() if k not in off},
    }
    if not texts:
        return []
    content = "\n\n|\n\n".join(texts)  # so that it reads nothing across blocks
    results = LintFile(path.name, content).lint({**DEFAULT, "checks": checks})
    return [
        f"proselint {each.check_result.check_path}: {each.check_result.message}" for each in results
    ]


def main(arguments: list[str]) -> int:
    """Check the files, print what is wrong, and return the exit status."""
    if arguments == ["--counts"]:
        for path in (*pages(), *modules()):
            counts = word_counts(blocks(path))
            average = sum(counts) / max(len(counts), 1)
            print(f"{average:5.1f} {len(counts):5} {path.relative_to(ROOT)}")
        return 0
    failed = False
    for path in [Path(name).resolve() for name in arguments] or [*pages(), *modules()]:
        name = path.relative_to(ROOT).as_posix()
        texts = blocks(path)
        if name in PENDING and not arguments:
            if not problems(texts):
                print(f"{name}: passes now, so take it off PENDING")
                failed = True
            continue
        for problem in (*problems(texts), *general_problems(path, texts)):
            print(f"{name}: {problem}")
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
