"""Live GET: which rows a request read, which a commit wrote, and whom that concerns."""
