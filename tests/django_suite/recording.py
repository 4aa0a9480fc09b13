"""The test runner inside a run of Django's suite: writes down how each test ended.

Owns the file of outcomes; which client, and which ASGI application, the tests have is told by the
environment. It runs in a
process of its own, under Django's ``runtests.py``.
"""

import json
import os
import sys
import unittest
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from django.test.client import AsyncClientHandler, ClientHandler
from django.test.runner import DiscoverRunner

from wsrequest.asgi import get_asgi_application
from wsrequest.test import replace_django_clients

__all__ = ["OUTCOMES", "OVER_WEBSOCKET", "PASSED", "Runner"]

OUTCOMES = "DJANGO_SUITE_OUTCOMES"
"""Environment variable: where to write ``{"outcomes": {test id: outcome}, "sent": [test id]}``."""
OVER_WEBSOCKET = "DJANGO_SUITE_OVER_WEBSOCKET"
"""Environment variable: set when the tests shall have our clients."""

PASSED = "passed"


class Result(unittest.TextTestResult):
    """Notes the outcome of each test, the last failure where it has several."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.outcomes: dict[str, str] = {}

    def startTest(self, test: unittest.TestCase) -> None:
        Sent.current = test.id()
        super().startTest(test)

    def addSuccess(self, test: unittest.TestCase) -> None:
        super().addSuccess(test)
        self.outcomes.setdefault(test.id(), PASSED)

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        super().addError(test, err)
        self.outcomes[test.id()] = _sentence(err)

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addFailure(test, err)
        self.outcomes[test.id()] = _sentence(err)

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.outcomes[test.id()] = _sentence(err)

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        super().addUnexpectedSuccess(test)
        self.outcomes[test.id()] = "succeeded, though expected to fail"

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        super().addSkip(test, reason)
        self.outcomes[test.id()] = "skipped"


def _sentence(err: Any) -> str:
    kind, value, _ = err
    return f"{kind.__name__}: {str(value).strip().partition(chr(10))[0][:200]}"


class Sent:
    """Which tests sent a request through a client at all."""

    current = ""
    ids: set[str] = set()

    @classmethod
    @contextmanager
    def noted(cls) -> Iterator[None]:
        with ExitStack() as undo:
            handlers: tuple[Any, ...] = (ClientHandler, AsyncClientHandler)
            for handler in handlers:
                undo.callback(setattr, handler, "__call__", handler.__call__)
                handler.__call__ = cls._noting(handler.__call__)
            yield

    @classmethod
    def _noting(cls, call: Any) -> Any:
        def noting(*args: Any) -> Any:
            cls.ids.add(cls.current)
            return call(*args)

        return noting


class Runner(DiscoverRunner):
    """Django's own runner, with our clients in place of its own where that is asked for."""

    def get_resultclass(self) -> type[unittest.TextTestResult]:
        return Result

    def run_suite(self, suite: unittest.TestSuite, **kwargs: Any) -> Any:
        with ExitStack() as replaced:
            if os.environ.get(OVER_WEBSOCKET):
                replaced.enter_context(replace_django_clients())
                if "asgi.tests" in sys.modules:  # they call an application that they make
                    own = patch("asgi.tests.get_asgi_application", get_asgi_application)
                    replaced.enter_context(own)
            replaced.enter_context(Sent.noted())
            result: Any = super().run_suite(suite, **kwargs)
        found = {"outcomes": result.outcomes, "sent": sorted(Sent.ids)}
        Path(os.environ[OUTCOMES]).write_text(json.dumps(found))
        return result
