"""How the API cuts its lists into pages."""

from rest_framework.pagination import PageNumberPagination


class SnippetPagination(PageNumberPagination):
    """Ten a page; ``?page_size=`` asks for another number, up to 100."""

    page_size = 10
    page_size_query_param = "page_size"
    max_page_size = 100
