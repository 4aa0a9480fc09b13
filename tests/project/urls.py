"""Every URL of the test project; views stand under the name of their module."""

from django.urls import include, path
from rest_framework.routers import DefaultRouter

from tests.project.views import (
    accounts,
    databases,
    faults,
    live,
    loads,
    pages,
    plain,
    regions,
    rest,
    rooms,
    shinobi,
    streams,
    waiting,
)
from wsrequest.metrics import metrics_view

router = DefaultRouter()
router.register("notes", rest.NoteViewSet)

PLAIN = [
    path("ready/", plain.ready),
    path("metrics/", metrics_view),
    path("client-page/", plain.client_page),
    path("echo/", plain.echo),
    path("echo/<path:rest>", plain.echo),
    path("class/", plain.EchoView.as_view()),
    path("class/<str:name>/", plain.EchoView.as_view()),
    path("counts/", plain.counts),
    path("thread/", plain.thread),
    path("text/", plain.text),
    path("latin-1/", plain.latin_1),
    path("binary/", plain.binary),
    path("empty/", plain.empty),
    path("no-content/", plain.no_content),
    path("odd-json/", plain.odd_json),
    path("problem-json/", plain.problem_json),
    path("broken-json/", plain.broken_json),
    path("two-values/", plain.two_values),
    path("big-json/", plain.big_json),
    path("big-text/", plain.big_text),
    path("zipped-json/", plain.zipped_json),
    path("redirect/", plain.redirect),
    path("tagged/", plain.tagged),
    path("page/", plain.page),
    path("language/", plain.language),
    path("cookies/", plain.cookies),
    path("upload/", plain.upload),
    path("handed-over/", plain.handed_over),
    path("piecewise/", plain.piecewise),
]
STREAMS = [
    path("stream/", streams.stream),
    path("stream/async/", streams.async_stream),
    path("stream/json/", streams.stream_json),
    path("stream/broken/", streams.broken),
    path("stream/broken/async/", streams.async_broken),
    path("stream/endless/", streams.endless),
    path("stream/progress/", streams.progress),
    path("context/", streams.context),
    path("context/async/", streams.async_context),
    path("file/", streams.file),
    path("events/", streams.events),
    path("events/async/", streams.async_events),
]
WAITING = [
    path("sleep/", waiting.sleep),
    path("sleep/async/", waiting.async_sleep),
    path("block/", waiting.block),
    path("release/", waiting.release),
    path("state/", waiting.state),
]
FAULTS = [
    path("fault/raise/", faults.fail),
    path("fault/raise/async/", faults.async_fail),
    path("fault/missing/", faults.missing),
    path("fault/forbidden/", faults.forbidden),
    path("fault/suspicious/", faults.suspicious),
    path("fault/none/", faults.nothing),
    path("fault/none/async/", faults.async_nothing),
    path("fault/exit/", faults.leave),
    path("fault/exit/async/", faults.async_leave),
    path("fault/cancelled/", faults.cancelled),
    path("fault/cancelled/async/", faults.async_cancelled),
    path("fault/unprintable/", faults.unprintable_body),
]
ACCOUNTS = [
    path("who/", accounts.who),
    path("who/async/", accounts.async_who),
    path("sign-up/", accounts.sign_up),
    path("deactivate/", accounts.deactivate),
    path("log-in/", accounts.log_in),
    path("log-out/", accounts.log_out),
    path("password/", accounts.change_password),
    path("count/", accounts.count),
    path("message/", accounts.message),
    path("form/", accounts.form),
]
DATABASES = [
    path("rows/", databases.look),
    path("rows/write/", databases.write),
    path("rows/block/", databases.block),
    path("rows/async/", databases.async_notes),
    path("rows/async/class/", databases.AsyncNotesView.as_view()),
    path("connection/", databases.which),
]
LOADS = [
    path("load/process/", loads.process),
    path("load/collect/", loads.collect),
    path("load/write/", loads.write),
    path("load/write/async/", loads.async_write),
    path("load/stream/", loads.stream),
    path("load/upload/", loads.upload),
]
LIVE = [
    path("room/<str:name>/", rooms.room),
    path("live/public/", live.public),
    path("live/mine/", live.mine),
    path("live/lazily/", live.lazily),
    path("live/asynchronously/", live.asynchronously),
    path("live/visits/", live.visits),
    path("live/forecast/", live.forecast),
    path("live/forecast/set/", live.set_forecast),
    path("live/token/", live.token),
    path("live/token/make/", live.make_token),
    path("live/binary/", live.binary),
]
PAGES = [
    path("pages/notes/", pages.notes),
    path("pages/notes/async/", pages.async_notes),
    path("pages/cached/", pages.cached),
    path("pages/nonce/", pages.with_nonce),
    path("pages/nonce/own/", pages.with_nonce, {"name": "csp_nonce"}),
    path("pages/session/", pages.session),
    path("pages/regions/", regions.page),
    path("pages/regions/async/", regions.async_page),
    path("region/list/<str:q>/", regions.region_list, name="region-list"),
    path("region/public/<str:q>/", regions.public),
    path("region/members/", regions.members),
    path("region/told/", regions.told),
    path("region/async/", regions.asynchronously),
    path("region/<str:kind>/", regions.kinds),
]
FRAMEWORKS = [
    path("api/function/", rest.function),
    path("api/member/", rest.MemberView.as_view()),
    path("api/throttled/", rest.ThrottledView.as_view()),
    path("api/limited-list/", rest.LimitedListView.as_view()),
    path("api/", include(router.urls)),
    path("ninja/", shinobi.api.urls),
]
urlpatterns = [
    *PLAIN,
    *STREAMS,
    *WAITING,
    *FAULTS,
    *ACCOUNTS,
    *DATABASES,
    *LOADS,
    *LIVE,
    *PAGES,
    *FRAMEWORKS,
]
