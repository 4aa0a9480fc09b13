"""The Django application that makes the admin live."""

from django.apps import AppConfig, apps

__all__ = ["LiveAdminConfig"]


class LiveAdminConfig(AppConfig):
    """The application ``"wsrequest.contrib.admin"``, anywhere in INSTALLED_APPS."""

    name = "wsrequest.contrib.admin"
    label = "wsrequest_admin"  # "admin" is the label of Django's
    verbose_name = "wsrequest, live admin"

    def ready(self) -> None:
        """Make the pages of all admin sites live, and register the system checks."""
        from wsrequest.contrib.admin import checks  # noqa: F401  # registers itself

        if apps.is_installed("django.contrib.admin"):
            from wsrequest.contrib.admin.sites import install

            install()
