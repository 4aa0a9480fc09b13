"""What an SQL statement reads and writes."""
