"""Live requests and logouts across processes, each a real one."""
