"""The commands, found here by Django."""
