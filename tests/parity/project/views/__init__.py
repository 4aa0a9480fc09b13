"""The views of the recorded project, one module for each part of the table."""
