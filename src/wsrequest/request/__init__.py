"""One request through Django's stack, from a message to the frames of its response."""
