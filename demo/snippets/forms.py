"""The form of the live pages."""

from django import forms

from snippets import highlighting
from snippets.models import Snippet


class SnippetForm(forms.ModelForm):
    """A snippet, with the popular languages to choose from, and its own."""

    class Meta:
        model = Snippet
        fields = ("title", "language", "code", "linenos")
        widgets = {
            "language": forms.Select,
            "code": forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "wrap": "off"}),
        }

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        # The indentation of the first line and the blank lines at the end belong to the code.
        self.fields["code"].strip = False
        names = list(dict.fromkeys([*highlighting.POPULAR, self.instance.language]))
        self.fields["language"].widget.choices = [(name, name) for name in names]

    def clean_code(self) -> str:
        """Return the code with the line ends of Python; a form sends those of HTTP."""
        return self.cleaned_data["code"].replace("\r\n", "\n")
