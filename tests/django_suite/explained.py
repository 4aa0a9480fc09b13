"""The tests of Django that pass with Django's clients and application and not with ours.

Each has its reason.

docs/parity.md says the same to users; a test compares the two.
"""

__all__ = ["EXPLAINED"]

TRACE = "TRACE: no browser's fetch can send it, and no message (PROTOCOL.md 4.1); answered with 501"
NO_SLASH = "a path without a leading slash: no message can have it (4.1); 400 where Django says 404"
SYNC = "of a middleware's asynchronous half, which the socket never runs (docs/testing.md)"

EVENT = "an event that no ASGI server sends after a body; Django's handler fails, ours ignores it"
LEFT = "a client that leaves at once: what is answered sooner than it is missed, is sent to nobody"
LATIN = "a query that is not UTF-8: read as by WSGI, where Django's ASGI handler answers 400"

EXPLAINED = {
    "admin_views.test_multidb.MultiDatabaseTests.test_read_only_methods_add_view": TRACE,
    "admin_views.test_multidb.MultiDatabaseTests.test_read_only_methods_change_view": TRACE,
    "admin_views.test_multidb.MultiDatabaseTests.test_read_only_methods_delete_view": TRACE,
    "auth_tests.test_admin_multidb.MultiDatabaseTests.test_read_only_methods_add_view": TRACE,
    # Of plain HTTP by the worker threads.
    "asgi.tests.ASGITest.test_assert_in_listen_for_disconnect": EVENT,
    "asgi.tests.ASGITest.test_disconnect_with_body": LEFT,
    "asgi.tests.ASGITest.test_non_unicode_query_string": LATIN,
    # Of Django 5.2; 6.1 has neither.
    "auth_tests.test_remote_user.CustomProcessRequestMiddlewareTest"
    ".test_async_no_warning_sync_and_async_middleware": SYNC,
    "auth_tests.test_remote_user.CustomProcessRequestMiddlewareTest"
    ".test_async_warns_sync_only_middleware": SYNC,
    "handlers.tests.HandlerRequestTests.test_invalid_urls": NO_SLASH,
    "test_client.tests.AsyncClientTest.test_follow_redirect": TRACE,
    "test_client.tests.ClientTest.test_follow_307_and_308_preserves_query_string": TRACE,
    "test_client.tests.ClientTest.test_follow_307_and_308_redirect": TRACE,
    "test_client.tests.ClientTest.test_trace": TRACE,
    "test_client_regress.tests.AssertRedirectsTests.test_redirect_fetch_redirect_response": TRACE,
}
