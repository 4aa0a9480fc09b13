"""From whoever publishes to whoever listens, within one process or between several."""
