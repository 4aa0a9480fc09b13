"""The project's plain HTTP, answered by the same worker threads as the messages of sockets."""
