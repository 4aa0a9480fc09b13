"""The views, one module for each part of Django that they exercise."""
