"""A fair pool of worker threads. Knows nothing of Django."""
