"""Carries messages from publishers to subscribers, within one process or between several."""
