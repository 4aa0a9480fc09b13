"""What the API takes and gives."""

from django.contrib.auth import authenticate
from rest_framework import serializers

from snippets.highlighting import validate_language
from snippets.models import MAX_CODE_CHARACTERS, Snippet
from snippets.permissions import may_edit


class SnippetSerializer(serializers.ModelSerializer):
    """A snippet; ``owner`` is a user name or null, ``editable`` is about the user who asks."""

    owner = serializers.CharField(
        source="owner.username", read_only=True, default=None, allow_null=True
    )
    created = serializers.ReadOnlyField()
    editable = serializers.SerializerMethodField()
    highlight = serializers.HyperlinkedIdentityField(view_name="snippet-highlight")

    class Meta:
        model = Snippet
        fields = (
            "id", "title", "code", "language", "linenos", "style",
            "owner", "created", "editable", "highlight",
        )  # fmt: skip
        extra_kwargs = {
            "code": {"trim_whitespace": False},
            "language": {"initial": "python"},  # in the form of the browsable page
            "style": {"initial": "default"},
        }

    def get_editable(self, snippet: Snippet) -> bool:
        """Return whether the user of this request may change the snippet."""
        return may_edit(self.context["request"].user, snippet)


class PreviewSerializer(serializers.Serializer):
    """Code to highlight without saving it. Blank is fine: an empty editor has a preview too."""

    code = serializers.CharField(
        max_length=MAX_CODE_CHARACTERS, allow_blank=True, trim_whitespace=False
    )
    language = serializers.CharField(default="python", validators=[validate_language])
    linenos = serializers.BooleanField(default=False)


class LoginSerializer(serializers.Serializer):
    """A user name and a password that fit; ``validated_data["user"]`` is whose they are."""

    username = serializers.CharField()
    password = serializers.CharField(trim_whitespace=False)

    def validate(self, attrs: dict) -> dict:
        """Ask Django's authentication backends."""
        user = authenticate(self.context["request"], **attrs)
        if user is None:
            raise serializers.ValidationError("No active account has this name and password.")
        return {"user": user}


class UserSerializer(serializers.Serializer):
    """A user, as the page needs to know of one."""

    username = serializers.CharField()
    is_staff = serializers.BooleanField()


class SessionSerializer(serializers.Serializer):
    """Who asks, and whether a token or the session says so; for the schema."""

    user = UserSerializer(allow_null=True)
    via = serializers.ChoiceField(["token", "session"], allow_null=True)
