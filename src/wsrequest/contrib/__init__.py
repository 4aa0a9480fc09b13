"""Beside the socket: what only some projects use."""
