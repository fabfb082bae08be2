"""Names of models on the Hugging Face Hub."""

import re
from pathlib import Path
from typing import Literal, NamedTuple

from hclip_jax.errors import UserError, printable

PREFIX = "hf:"
FORM = "hf:OWNER/NAME[@REVISION][/PATH], or hf:spaces/OWNER/NAME[@REVISION][/PATH]"

_PART = r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9_])?"  # as the Hub allows owners and repositories
_REVISION = r"refs/[\w.-]+/[\w.-]+|[\w.+-]+"  # a pull request is refs/pr/N
_PATTERN = re.compile(
    rf"hf:/*(?P<kind>models/|spaces/)?(?P<repo>(?!(?:models|spaces|datasets)/){_PART}/{_PART})"
    rf"(?:@(?P<revision>{_REVISION}))?(?:/(?P<path>[^@]+?))?/?",
    re.ASCII,
)


class HubName(NamedTuple):
    """A model on the Hub.

    Attributes:
        kind: model or space, the kind of its repository.
        repo: OWNER/NAME.
        revision: branch, tag, commit or refs/pr/N; "" for the main branch.
        path: a file or folder in the repository; "" for its root.
    """

    kind: Literal["model", "space"]
    repo: str
    revision: str = ""
    path: str = ""

    def __str__(self) -> str:
        revision, path = self.revision and f"@{self.revision}", self.path and f"/{self.path}"
        return f"{PREFIX}{'spaces/' if self.kind == 'space' else ''}{self.repo}{revision}{path}"


def is_hub_name(model: str | Path) -> bool:
    """Whether a model is given by its name on the Hub."""
    return str(model).startswith(PREFIX)


def parse_hub_name(text: str) -> HubName:
    """Parses a name on the Hub, such as "hf:openai/clip-vit-base-patch16".

    Args:
        text: `FORM`; hf:// in place of hf: is the same, as huggingface_hub writes it.

    Raises:
        UserError: it has another form.
    """
    match = _PATTERN.fullmatch(text)
    path = (match["path"] or "") if match else ""
    has_odd_folder = bool(path) and not {"..", ".", ""}.isdisjoint(path.split("/"))
    if not match or not path.isprintable() or has_odd_folder:
        raise UserError(
            f"'{printable(text)}' is not the name of a model on the Hugging Face Hub; give {FORM}"
        )
    kind = "space" if match["kind"] == "spaces/" else "model"
    return HubName(kind, match["repo"], match["revision"] or "", path)
