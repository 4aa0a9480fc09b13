"""The wire protocol, sans-I/O: frames to messages and back, and which message may come when."""
