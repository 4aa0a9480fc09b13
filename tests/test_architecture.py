"""The page about the architecture names packages, modules and classes that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "wsrequest"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))


def exists(path: str) -> bool:
    return any(
        place.joinpath(path).is_dir() or place.joinpath(f"{path.rstrip('/')}.py").is_file()
        for place in (PACKAGE, ROOT)
    )


def test_modules_on_the_page_exist() -> None:
    named = set(re.findall(r"(?<![\w/.])[a-z_]+(?:/[a-z_]+)*/?(?=`)", PAGE))
    named |= set(re.findall(r"(?<!\S)[a-z_]+/[a-z_]+(?:/[a-z_]+)?(?= )", PAGE))
    paths = {name for name in named if "/" in name}
    assert len(paths) > 30
    assert sorted(path for path in paths if not exists(path)) == []


def test_classes_and_methods_on_the_page_exist() -> None:
    named = re.findall(r"`([A-Z]\w+?[a-z]\w*)(?:\.(\w+))?`", PAGE)
    assert len(named) > 10
    for name, member in named:
        assert re.search(rf"^class {name}\b|import .*\b{name}\b", SOURCES, re.MULTILINE), name
        assert not member or re.search(rf"(?:def |self\.|\"){member}\b", SOURCES), member


def test_each_package_is_on_the_page() -> None:
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert {name for name in packages if f"`{name}/`" not in PAGE} == set()
