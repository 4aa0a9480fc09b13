"""A project with an admin, which real browsers visit while somebody else writes."""
