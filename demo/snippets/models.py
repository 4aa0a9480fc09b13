"""The one model of the demo."""

from django.conf import settings
from django.core.validators import MaxLengthValidator
from django.db import models
from django.utils import timezone

from snippets.highlighting import validate_language, validate_style

MAX_CODE_CHARACTERS = 20_000


class Snippet(models.Model):
    """A piece of code. One without an owner was created by nobody in particular."""

    title = models.CharField(max_length=100)
    code = models.TextField(validators=[MaxLengthValidator(MAX_CODE_CHARACTERS)])
    # No choices: they would stand in a migration and change with each release of Pygments.
    language = models.CharField(max_length=50, default="python", validators=[validate_language])
    linenos = models.BooleanField("line numbers", default=False)
    style = models.CharField(max_length=50, default="default", validators=[validate_style])
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        related_name="snippets",
        null=True,
        blank=True,
    )
    created = models.DateTimeField(default=timezone.now, db_index=True, editable=False)

    class Meta:
        ordering = ("-created", "-id")

    def __str__(self) -> str:
        return self.title
