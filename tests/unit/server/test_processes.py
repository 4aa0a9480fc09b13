"""The number of workers that a command line asks for."""

import pytest

from wsrequest.server.processes import worker_count


@pytest.mark.parametrize(
    ("arguments", "environ", "count"),
    [
        (["uvicorn", "a:b"], {}, 1),
        (["uvicorn", "a:b", "--workers", "3"], {}, 3),
        (["uvicorn", "a:b", "--workers=3", "--port", "80"], {}, 3),
        (["gunicorn", "-w", "4", "a:b"], {}, 4),
        (["gunicorn", "-w4", "a:b"], {}, 4),
        (["uvicorn", "a:b"], {"WEB_CONCURRENCY": "2"}, 2),
        (["uvicorn", "a:b", "--workers", "1"], {"WEB_CONCURRENCY": "2"}, 1),
        (["hypercorn", "--workers", "0"], {}, 1),
        (["uvicorn", "--workers"], {}, 1),
        (["uvicorn", "--workers", "x"], {}, 1),
        (["manage.py", "runwebsockets", "--workers", "2"], {}, 2),
        (["manage.py", "check", "--wait", "-weak"], {}, 1),
    ],
)
def test_worker_count(arguments: list[str], environ: dict[str, str], count: int) -> None:
    assert worker_count(arguments, environ) == count
