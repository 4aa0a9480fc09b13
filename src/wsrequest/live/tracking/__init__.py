"""Records what the project's code reads and writes in this process."""
