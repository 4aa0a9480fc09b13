"""One socket: reads frames, runs calls, writes answers, and ends in good order."""
