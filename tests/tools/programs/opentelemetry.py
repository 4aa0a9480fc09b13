"""The test project under OpenTelemetry, as its documentation has it, with its spans kept."""

import json
from collections.abc import Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.instrumentation.sqlite3 import SQLite3Instrumentor
from opentelemetry.instrumentation.threading import ThreadingInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from tests.tools.programs.record import record


class Kept(SpanExporter):
    """Takes what would be sent."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            record("span", json.loads(span.to_json()))
        return SpanExportResult.SUCCESS


provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(Kept()))
trace.set_tracer_provider(provider)
ThreadingInstrumentor().instrument()
SQLite3Instrumentor().instrument()
DjangoInstrumentor().instrument()

from tests.project.asgi import application as project  # noqa: E402 # instrumented before it is made

application: Any = OpenTelemetryMiddleware(project)
