"""docs/metrics.md and the dashboard name the metrics that there are."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from wsrequest.errors import CODES
from wsrequest.metrics.definitions import METRICS
from wsrequest.server.activity import _MAX_SERIES

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/metrics.md").read_text("utf-8")
NAME = re.compile(r"\bwsrequest_[a-z_]+")
FULL = {metric.full_name: metric for metric in METRICS.values()}
SUFFIXES = {"histogram": ("_bucket", "_count", "_sum"), "summary": ("_count", "_sum")}
SERIES = {
    series
    for metric in METRICS.values()
    for series in (
        [f"{metric.name}{suffix}" for suffix in SUFFIXES[metric.kind]]
        if metric.kind in SUFFIXES
        else [metric.full_name]
    )
}


def dashboard() -> Any:
    return json.loads((ROOT / "examples/grafana-dashboard.json").read_text("utf-8"))


def expressions(node: Any) -> Iterator[str]:
    """What a dashboard asks Prometheus."""
    if isinstance(node, list):
        for one in node:
            yield from expressions(one)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("expr", "definition"):
                yield value
            else:
                yield from expressions(value)


def test_the_page_has_a_row_for_each_metric_with_its_type_and_labels() -> None:
    table = PAGE.partition("\n## The metrics\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|([^|]*)\|", table, re.MULTILINE)
    found = {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    assert len(rows) == len(found)
    assert found == {name: (metric.kind, metric.labels) for name, metric in FULL.items()}


def test_the_page_names_no_metric_that_is_not_there() -> None:
    page = re.sub(r"\]\([^)]*\)", "]", PAGE)  # anchors of settings look the same
    assert set(NAME.findall(page)) <= {*FULL, *SERIES}


def test_the_page_has_the_right_numbers() -> None:
    assert f"After {_MAX_SERIES:,} series" in PAGE
    (codes,) = re.findall(r'code=~"([a-z_\\|]+)"', PAGE)
    assert set(codes.split("\\|")) <= set(CODES)


def test_the_dashboard_asks_for_metrics_that_there_are_and_for_all_of_them() -> None:
    asked = [name for text in expressions(dashboard()) for name in NAME.findall(text)]
    assert set(asked) == SERIES - {"wsrequest_message_duration_seconds_count",
                                   "wsrequest_message_duration_seconds_sum"}  # fmt: skip


def test_the_dashboard_groups_by_labels_that_the_metrics_have() -> None:
    for text in expressions(dashboard()):
        for labels in re.findall(r"\bby \(([^)]*)\)", text):
            names = NAME.findall(text)
            known = {"le", "instance", *(label for n in names for label in label_names(n))}
            assert {label.strip() for label in labels.split(",")} <= known, text


def label_names(series: str) -> tuple[str, ...]:
    for metric in METRICS.values():
        if series.startswith(metric.name) and series in SERIES:
            if series == metric.full_name or series.removeprefix(metric.name) in (
                SUFFIXES.get(metric.kind, ())
            ):
                return metric.labels
    raise AssertionError(series)


def test_the_dashboard_can_be_imported() -> None:
    """No panel shares its id or lies over another, and each has the source that is chosen."""
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells)) and max(x for x, _ in cells) < 24
    for panel in panels:
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}" and panel["targets"]


def test_the_decorator_on_the_page_lets_only_prometheus_in(
    monkeypatch: pytest.MonkeyPatch, rf: RequestFactory
) -> None:
    monkeypatch.setenv("METRICS_PASSWORD", "a password")
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (block,) = (block for block in blocks if "def only_prometheus" in block)
    names: dict[str, Any] = {}
    exec(block, names)
    view = names["only_prometheus"](lambda request: HttpResponse("metrics"))
    assert view(rf.get("/", headers={"Authorization": "Bearer a password"})).content == b"metrics"
    for sent in ("", "Bearer ", "Bearer other", "Basic a password", "a password"):
        assert view(rf.get("/", headers={"Authorization": sent})).status_code == 403
    assert view(rf.get("/")).status_code == 403
