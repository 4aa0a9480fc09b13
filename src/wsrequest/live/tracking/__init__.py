"""What a process reads and writes, as the project's code does it."""
