"""The wire: frames to messages and back, and which of them may come when. Sans-I/O."""
