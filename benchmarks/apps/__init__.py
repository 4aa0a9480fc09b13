"""What is measured: one module for each way of serving the same project."""
