"""Runs one target under atheris, from the seeds on: ``scripts/fuzz``.

Owns what libFuzzer is told. A finding is a file ``crash-…`` in the target's directory, and this
program's exit code; the same file as an argument runs it again.
"""

import argparse
import hashlib
import os
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["wsrequest"]):
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.project.settings")
    django.setup()
    from tests.fuzz import targets

from tests.fuzz.seeds import WORDS, seeds  # what it imports is instrumented by now

MAX_INPUT_BYTES = 4096


def prepare(home: Path) -> Path:
    """Write seeds and dictionary; return the directory of the corpus, which grows there."""
    corpus = home / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in seeds():
        (corpus / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
    lines = ['"' + "".join(f"\\x{byte:02x}" for byte in word.encode()) + '"' for word in WORDS]
    (home / "words").write_text("\n".join(lines) + "\n")
    return corpus


def main() -> None:
    """Fuzz until the time is over or something is found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=targets.TARGETS)
    parser.add_argument("home", type=Path, help="directory of corpus and findings")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("inputs", nargs="*", help="run these files, and nothing else")
    given = parser.parse_args()
    corpus = prepare(given.home)
    options = [
        f"-max_total_time={given.seconds}",
        f"-max_len={MAX_INPUT_BYTES}",
        f"-artifact_prefix={given.home}/",
        f"-dict={given.home / 'words'}",
        "-timeout=30",
        "-rss_limit_mb=1500",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    with targets.project():
        if given.target == "connection":
            target = targets.Hub().connection
        else:
            target = getattr(targets, given.target)
        atheris.Setup([sys.argv[0], *options, *(given.inputs or [str(corpus)])], target)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
