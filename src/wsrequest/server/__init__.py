"""What one process has once: admission, tickets, drain."""
