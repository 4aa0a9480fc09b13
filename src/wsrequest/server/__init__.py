"""The parts that exist once per process, such as admission, tickets and the drain."""
