"""The application that makes the admin live (docs/howto/live-admin.md)."""
