"""The view that Prometheus scrapes."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from wsrequest.conf import conf

__all__ = ["metrics_view"]


@require_safe
def metrics_view(request: HttpRequest) -> HttpResponse:
    """Return the metrics of prometheus_client's registry, those of wsrequest among them.

    Mount it at a URL of the project, and protect it: it answers everyone (docs/metrics.md). It
    shows the process that answers, or with ``PROMETHEUS_MULTIPROC_DIR`` all processes.

    Returns:
        404 while ``WSREQUEST_METRICS`` is off.
    """
    if not conf.METRICS:
        return HttpResponse(
            "There are no metrics: WSREQUEST_METRICS is off.", "text/plain", status=404
        )
    from wsrequest.metrics.exposition import expose  # needs prometheus_client

    body, content_type = expose(request.headers.get("Accept", ""))
    return HttpResponse(body, content_type, headers={"Cache-Control": "no-store"})
