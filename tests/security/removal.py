"""Removes the defences one by one, in a copy of the repository, and demands that tests notice.

Owns the copying, the editing, the running and the verdict. Which defences there are, and which
tests are to fail, stands in ``defences``. Run by scripts/defences.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from tests.acceptance.servers import manage
from tests.security.defences import DEFENCES, Defence
from tests.security.page import PAGE, page_now, page_wanted

ROOT = Path(__file__).resolve().parents[2]
RUN_SECONDS = 300.0
TEST_SECONDS = 60  # a removed limit often shows as a test that waits for it
_LEFT_OUT = (".git", ".venv*", ".nox", "__pycache__", ".*_cache", ".hypothesis", "node_modules")
_FAILED = re.compile(r"^FAILED (.+?)(?: - .*)?$", re.MULTILINE)


def copy_repository(place: Path) -> Path:
    """Copy what the tests need, and nothing that was compiled: an edit may keep a file's size."""
    copy = place / "copy"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*_LEFT_OUT, ".coverage*"))
    return copy


def run_tests(copy: Path, tests: Iterable[str]) -> tuple[int, str]:
    """Run tests of the copy against the package of the copy; return the exit code and what it said.

    PYTHONPATH goes before the editable install, for the servers that tests start as well.
    """
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(copy / "src"), str(copy)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PROJECT_MIGRATED": str(copy.parent / "data"),
        "COLUMNS": "1000",  # a line of the summary stays whole
    }
    options = ["-q", "-rfE", "--tb=no", "-p", "no:cacheprovider", f"--timeout={TEST_SECONDS}"]
    with tempfile.TemporaryFile("w+") as said:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *tests],
            cwd=copy,
            env=environment,
            stdout=said,
            stderr=subprocess.STDOUT,
            timeout=RUN_SECONDS,
        )
        said.seek(0)
        return done.returncode, said.read()


def failed_tests(said: str, tests: Iterable[str]) -> set[str]:
    """Those of ``tests`` of which at least one case failed, by pytest's own summary."""
    failed = _FAILED.findall(said)
    return {test for test in tests if any(_is_case_of(node, test) for node in failed)}


def _is_case_of(node: str, test: str) -> bool:
    return node == test or node.startswith((test + "[", test + "::"))


def try_defence(copy: Path, defence: Defence) -> str:
    """Remove a defence, run its tests, put it back; return what is wrong, "" for nothing."""
    path = copy / defence.file
    source = path.read_text(encoding="utf-8")
    try:
        path.write_text(defence.removed_from(source), encoding="utf-8")
    except ValueError as error:
        return str(error)
    try:
        _, said = run_tests(copy, defence.tests)
    finally:
        path.write_text(source, encoding="utf-8")
    unmoved = set(defence.tests) - failed_tests(said, defence.tests)
    if not unmoved:
        return ""
    return f"not noticed by {', '.join(sorted(unmoved))}\n{_summary(said)}"


def _summary(said: str) -> str:
    """The end of what pytest said, without the white space that fills its lines."""
    return "\n".join(line.strip()[:200] for line in said.splitlines()[-20:])


def check_copy(copy: Path) -> None:
    """See that tests of the copy would meet the package of the copy.

    Raises:
        SystemExit: they would not, and every verdict would be worthless.
    """
    asked = "import wsrequest; print(wsrequest.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    found = subprocess.check_output(
        [sys.executable, "-c", asked], cwd=copy, env=environment, text=True
    )
    if not Path(found.strip()).is_relative_to(copy):
        raise SystemExit(f"the tests would import {found.strip()}, which is not the copy's")


def run_all(defences: list[Defence]) -> int:
    """Try every defence, print a line for each; return the exit code."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="wsrequest-defences-") as place:
        copy = copy_repository(Path(place).resolve())
        check_copy(copy)
        data = copy.parent / "data"
        data.mkdir()
        for alias in ("default", "other"):
            manage(data, "migrate", "--verbosity=0", "--database", alias)
        tests = sorted({test for defence in defences for test in defence.tests})
        code, said = run_tests(copy, tests)
        if code:
            print(said[-4000:])
            print("With every defence in place these tests must pass.")
            return 1
        print(f"{len(tests)} tests pass with every defence in place.\n")
        wrong = 0
        for defence in defences:
            fault = try_defence(copy, defence)
            wrong += bool(fault)
            points = ",".join(map(str, defence.points))
            verdict = "STANDS UNSEEN" if fault else "noticed"
            print(f"{points:>12}  {verdict:13}  {defence.name}", flush=True)
            if fault:
                print(fault, flush=True)
    seconds = time.monotonic() - begun
    print(f"\n{len(defences)} defences removed, {wrong} not noticed, in {seconds:.0f} s.")
    return 1 if wrong else 0


def main(arguments: list[str]) -> int:
    """Run the script; return its exit code."""
    parser = argparse.ArgumentParser(prog="scripts/defences", description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of names of defences; all when absent")
    parser.add_argument("--write", action="store_true", help="write the table of docs/security.md")
    options = parser.parse_args(arguments)
    if options.write:
        PAGE.write_text(page_wanted(page_now()), encoding="utf-8")
        return 0
    chosen = [
        defence
        for defence in DEFENCES
        if not options.names or any(part in defence.name for part in options.names)
    ]
    if not chosen:
        print("No defence has such a name.")
        return 1
    return run_all(chosen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
