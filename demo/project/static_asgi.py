"""The same application with the static files, which ``runserver`` serves by itself."""

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler

from project.asgi import application as project

application = ASGIStaticFilesHandler(project)
