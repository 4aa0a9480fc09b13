"""One message is one Django request: requests, responses, cookies, and the lanes that run them."""
