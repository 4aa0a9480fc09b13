"""Django's command line: ``runserver`` and ``runwebsockets``."""
