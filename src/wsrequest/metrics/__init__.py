"""Metrics for Prometheus. Projects import the view from here."""

from wsrequest.metrics.view import metrics_view

__all__ = ["metrics_view"]
