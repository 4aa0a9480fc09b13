"""What Django remembers of the database in its process is as current as the database."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.test import override_settings

from tests.oracle.audience import Audience, watching
from tests.oracle.project.models import Tag
from tests.oracle.world import fill

pytestmark = pytest.mark.parametrize("vendor", ["sqlite"], indirect=True)


@pytest.fixture
def viewers(world: None) -> Iterator[Audience]:
    """A client of a project with sites."""
    with override_settings(
        INSTALLED_APPS=[*settings.INSTALLED_APPS, "django.contrib.sites"], SITE_ID=1
    ):
        call_command("migrate", verbosity=0)
        fill()
        with watching() as found:
            yield found


@pytest.mark.parametrize("is_warm", [False, True])
def test_site_that_is_saved_is_shown(viewers: Audience, is_warm: bool) -> None:
    from django.contrib.sites.models import Site

    Site.objects.clear_cache()
    if is_warm:
        Site.objects.get_current()
    live = viewers.watch("/cached/site/")
    viewers.rerun()
    for n in range(2):
        with viewers.sees(live):
            site = Site.objects.get(pk=1)
            site.name = f"another {n} {is_warm}"
            site.save()
    with viewers.sees(live):  # is shown only when what is remembered is thrown away
        Site.objects.filter(pk=1).update(name=f"a third {is_warm}")
        assert viewers.is_current(live)
        Site.objects.clear_cache()


@pytest.mark.parametrize("is_warm", [False, True])
def test_content_type_that_is_changed_is_shown(viewers: Audience, is_warm: bool) -> None:
    ContentType.objects.clear_cache()
    if is_warm:
        ContentType.objects.get_for_model(Tag)
    live = viewers.watch("/cached/content-type/")
    viewers.rerun()
    with viewers.sees(live):  # is shown only when what is remembered is thrown away
        ContentType.objects.filter(app_label="oracle", model="tag").delete()
        assert viewers.is_current(live)
        ContentType.objects.clear_cache()


def test_manager_that_is_asked_by_every_way_counts(viewers: Audience) -> None:
    from wsrequest.live.tracking.tracker import installed
    from wsrequest.types import ReadPredicate

    manager = ContentType.objects
    found = manager.get_for_model(Tag)
    tracker = installed()
    assert tracker is not None
    viewers.watch("/cached/site/")  # so that calls are looked at
    for ask in (
        lambda: manager.get_for_model(Tag),
        lambda: manager.get_for_models(Tag),
        lambda: manager.get_for_id(found.pk),
        lambda: manager.get_by_natural_key("oracle", "tag"),
        lambda: manager.db_manager("default").get_for_id(found.pk),
    ):
        with tracker.reading() as reads:
            ask()
        assert ReadPredicate("default", "django_content_type") in reads.result()
