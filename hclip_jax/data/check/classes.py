"""Issues of a class list, and classes that no label shows."""

from collections.abc import Sequence
from pathlib import Path

from hclip_jax.data.check.issues import IssueGroup
from hclip_jax.data.check.pair import CheckedPair
from hclip_jax.errors import UserError
from hclip_jax.text.class_names import read_class_names
from hclip_jax.text.reading import describe, same_readings
from hclip_jax.text.templates import fill_templates

# A folder has no configuration: names are checked with the published template and CLIP's context length.
_TEMPLATE, _CONTEXT_LENGTH = "A photo of a {} in the scene", 77
_MAX_SHOWN_NAME = 60  # characters


def check_class_list(path: Path) -> tuple[list[str], list[IssueGroup]]:
    """Reads a class list, even an invalid one.

    Returns:
        The names, one for each line even if the list is invalid, none if it has no text; and the issues.
    """
    try:
        names = list(read_class_names(path))
    except UserError as error:
        message, _, fix = str(error).rpartition(": ")
        return _lines(path), [IssueGroup("error", (path.name,), message, fix)]
    return names, check_readings(names)


def check_readings(names: Sequence[str]) -> list[IssueGroup]:
    """Finds class names that CLIP cannot encode, or reads in another way than they look."""
    groups: list[IssueGroup] = []
    if unusable := tuple(name for name in names if not _is_usable(name)):
        shown = tuple(
            name if len(name) <= _MAX_SHOWN_NAME else f"{name[: _MAX_SHOWN_NAME - 3]}..." for name in unusable
        )
        groups.append(
            IssueGroup(
                "error",
                shown,
                f"class names that CLIP's text tower cannot encode: over {_CONTEXT_LENGTH} tokens with the "
                "prompt template",
                "shorten them",
            )
        )
    if equal := same_readings(names, "first"):
        groups.append(
            IssueGroup(
                "warning",
                tuple(describe(group, "first") for group in equal),
                "class names whose first synonym CLIP reads as the same words, so that rounding decides "
                "between them",
                "put another synonym first, or train with --config.prompts.synonyms=mean",
            )
        )
    if with_underscore := tuple(name for name in names if "_" in name):
        groups.append(
            IssueGroup(
                "warning",
                with_underscore,
                "class names with underscores, which CLIP's tokenizer encodes as punctuation",
                f"write spaces, as in {' '.join(with_underscore[0].split('_')).strip()!r}",
            )
        )
    return groups


def check_class_use(
    pairs: Sequence[CheckedPair], class_names: Sequence[str], are_named: bool = False
) -> list[IssueGroup]:
    """Finds classes that no label holds, and classes that no label of the split "train" holds.

    Args:
        pairs: the images with their labels.
        class_names: by id.
        are_named: whether the labels have names or colours in place of ids.
    """
    in_train = {t for pair in pairs if pair.split == "train" for t in pair.pixel_counts}
    in_others = {t for pair in pairs if pair.split != "train" for t in pair.pixel_counts}
    if not in_train | in_others:
        return []  # no label can be decoded, so nothing is known about the classes
    groups = []
    if unused := [t for t in range(len(class_names)) if t not in in_train | in_others]:
        is_shifted = unused[0] == 0 and not are_named
        groups.append(
            IssueGroup(
                "warning",
                tuple(class_names[t] for t in unused),
                "classes that no label shows",
                "nothing if this is intended"
                if are_named
                else "check that the labels were made with this class list"
                + "; if the ids start at 1, subtract 1 from each" * is_shifted,
            )
        )
    if in_train and (unseen := sorted(in_others - in_train)):
        groups.append(
            IssueGroup(
                "warning",
                tuple(class_names[t] for t in unseen),
                "classes that labels show, but none in train",
                "nothing if this is intended (open-vocabulary evaluation); else move images of them to train",
            )
        )
    return groups


def _is_usable(name: str) -> bool:
    try:
        fill_templates([name], [_TEMPLATE], "first", _CONTEXT_LENGTH)
    except UserError:
        return False
    return True


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace").rstrip()
    except OSError:
        return []
    return text.split("\n") if text else []
