"""Pages that stay current: what their server side adds to live requests (docs/live-pages.md)."""
