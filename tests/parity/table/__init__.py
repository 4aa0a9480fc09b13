"""The table: every row that both transports run."""

from tests.parity.rows import Row
from tests.parity.table import accounts, answers, bodies, failures, frameworks, requests, terms

TABLE: list[Row] = [
    *requests.ROWS,
    *bodies.ROWS,
    *answers.ROWS,
    *failures.ROWS,
    *accounts.ROWS,
    *frameworks.ROWS,
    *terms.ROWS,
]
