"""A small Django project of every kind of view, served over HTTP and WebSocket by the tests."""
