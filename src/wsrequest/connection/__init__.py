"""One socket: reads frames, runs requests, sends responses, and closes in good order."""
