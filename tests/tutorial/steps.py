"""The steps of docs/tutorial.md, taken out of the page and done as they are written.

A block of ``sh`` is commands. A block whose first line names a file, in a comment, is that file. A
``diff`` changes a file. A block of ``text`` is what the server prints.
"""

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.servers import ROOT, environ

PAGE = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"(?:#|\{#) ([\w/.]+)(?: #\})?")
PASSWORD = "correct-horse-battery"
SECONDS = 30.0


@dataclass(frozen=True)
class Block:
    """One block of code of the page."""

    language: str
    text: str

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def sections(text: str) -> dict[str, list[Block]]:
    """Return the blocks of a page under the heading that they stand below."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return {
        heading: [Block(*found) for found in BLOCK.findall(body)]
        for heading, body in zip(parts[1::2], parts[2::2], strict=True)
    }


class Reader:
    """Somebody who follows the page in an empty directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def follow(self, blocks: list[Block]) -> Iterator[str]:
        """Do what the blocks say; yield what only a person can do or see.

        That is the command that does not end, and each line that is to be seen.
        """
        for block in blocks:
            if block.language == "sh":
                for command in block.lines:
                    if command == "python manage.py runserver":
                        yield command
                    else:
                        self.run(command)
            elif block.language == "diff":
                self.change(block)
            elif block.language == "text":
                yield from block.lines
            else:
                self.write(block)

    def write(self, block: Block) -> None:
        """Save a file."""
        named = FILE_NAME.fullmatch(block.lines[0])
        assert named, f"this block names no file: {block.text}"
        path = self.directory / named[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)

    def change(self, block: Block) -> None:
        """Replace lines of a file, which must have them once."""
        name, *lines = block.lines
        path = self.directory / name.removeprefix("--- ")
        old = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("+"))
        new = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("-"))
        text = path.read_text()
        assert text.count(old) == 1, f"{path} does not have this once:\n{old}"
        path.write_text(text.replace(old, new))

    def run(self, command: str) -> str:
        """Type a command, and the password where one is asked for; return what was printed."""
        program, *arguments = command.split()
        if program == "cd":
            self.directory /= arguments[0]
            return ""
        words = {"python": [], "django-admin": ["-m", "django"]}[program]
        ours, theirs = pty.openpty()
        variables = environ(self.directory)
        del variables["DJANGO_SETTINGS_MODULE"]  # the new project's manage.py sets its own
        with subprocess.Popen(
            [sys.executable, *words, *arguments],
            cwd=self.directory,
            env=variables,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,  # so that the password is read from this terminal
        ) as process:
            os.close(theirs)
            printed = _talk(process, ours)
        os.close(ours)
        assert process.returncode == 0, f"{command}:\n{printed}"
        return printed


def _talk(process: "subprocess.Popen[bytes]", terminal: int) -> str:
    """Answer each question for a password until the command ends; return what it printed."""
    printed, answered = "", 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                printed += os.read(terminal, 4096).decode()
            except OSError:  # the command has closed its end
                break
        elif process.poll() is not None:
            break
        asked = len(re.findall(r"^Password.*: ", printed, re.MULTILINE))
        if asked > answered:
            os.write(terminal, f"{PASSWORD}\n".encode())
            answered += 1
    else:
        process.kill()
    process.wait()
    return printed
