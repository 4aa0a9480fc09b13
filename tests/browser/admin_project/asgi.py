"""The application with the admin that real browsers visit. Makes its database first."""

import os

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.browser.admin_project.settings"

from django.core.management import call_command

from wsrequest.asgi import get_asgi_application

application = get_asgi_application()


def fill() -> None:
    """Make the tables, six notes and three users: ann and bob may do all, eve may see notes."""
    from django.contrib.auth.models import Permission, User

    from tests.browser.admin_project.models import Note, Topic

    call_command("migrate", run_syncdb=True, verbosity=0)
    if User.objects.exists():
        return
    for name in ("ann", "bob"):
        User.objects.create_superuser(name, password="pw")
    eve = User.objects.create_user("eve", password="pw", is_staff=True)
    eve.user_permissions.add(*Permission.objects.filter(codename__in=["view_note", "change_note"]))
    topic = Topic.objects.create(name="Weather")
    for title in ("b", "d", "f"):
        Note.objects.create(title=title, topic=topic)


fill()
