"""System checks of the live admin."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, register
from django.core.exceptions import ImproperlyConfigured
from django.urls import NoReverseMatch, get_script_prefix, reverse

from wsrequest.checks.table import TAG, message
from wsrequest.conf import conf
from wsrequest.faults import sound

__all__ = ["check_live_admin"]


@register(TAG)
def check_live_admin(**kwargs: Any) -> list[CheckMessage]:
    """The admin can be live: what it needs is installed, and its pages can be subscribed to."""
    if not apps.is_installed("wsrequest.contrib.admin"):
        return []  # a test has taken it out
    needed = ("wsrequest", "django.contrib.admin", "django.contrib.staticfiles")
    missing = [name for name in needed if not apps.is_installed(name)]
    if missing:
        return [message("wsrequest.E013", missing=", ".join(f'"{name}"' for name in missing))]
    if not (sound("MAX_SUBSCRIPTIONS") and sound("EXCLUDED_PATHS")):
        return []
    if not conf.MAX_SUBSCRIPTIONS:
        return [message("wsrequest.W049")]
    excluded = {path for path in _indexes() if conf.excluded_paths.covers(path)}
    return [message("wsrequest.W050", path=path) for path in sorted(excluded)]


def _indexes() -> Iterator[str]:
    """Yield the path of each admin site that the project has URLs for, without the script name."""
    from django.contrib.admin.sites import all_sites  # needs the apps to be ready

    for site in all_sites:
        try:
            path = reverse("admin:index", current_app=site.name)
        except (NoReverseMatch, ImproperlyConfigured):
            continue
        yield "/" + path.removeprefix(get_script_prefix())
