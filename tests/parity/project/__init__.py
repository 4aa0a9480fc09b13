"""The test project with a recorder in it: what its servers see of each request of the table."""
