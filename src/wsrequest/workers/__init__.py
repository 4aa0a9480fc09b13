"""A fair pool of worker threads, independent of Django."""
