"""What is wrong with a class list, and with how the labels of a whole folder use it."""

from collections.abc import Sequence
from pathlib import Path

from hclip_jax.data.check.issues import Issue, IssueGroup, IssueKind
from hclip_jax.data.check.pair import Pair
from hclip_jax.errors import UserError
from hclip_jax.text.class_names import read_class_names
from hclip_jax.text.templates import fill_templates

# A folder has no configuration: names are checked against the published template and CLIP's context.
_TEMPLATE, _CONTEXT_LENGTH = "A photo of a {} in the scene", 77


def check_class_list(path: Path) -> tuple[list[str], list[IssueGroup]]:
    """Reads a class list as well as it can be read.

    Returns:
        The names, a line each even where the list is refused, none if it has no text at all; and
        what is wrong with them.
    """
    try:
        names = list(read_class_names(path))
    except UserError as error:
        what, _, fix = str(error).rpartition(": ")
        return _lines(path), [IssueGroup("error", (path.name,), what, fix)]
    findings = []
    if unreadable := tuple(name for name in names if not _is_text(name)):
        shortened = tuple(name if len(name) <= 60 else f"{name[:57]}..." for name in unreadable)
        findings.append(
            IssueGroup(
                "error",
                shortened,
                "class names that CLIP cannot read: over 77 tokens with the words around them, or "
                "with an empty synonym between commas",
                'shorten them, and separate synonyms by one ", " each',
            )
        )
    if underscored := tuple(name for name in names if "_" in name):
        findings.append(
            IssueGroup(
                "warning",
                underscored,
                "class names with underscores, but CLIP reads words",
                f"write blanks, as in {' '.join(underscored[0].split('_')).strip()!r}",
            )
        )
    return names, findings


def check_ids(pairs: Sequence[Pair], class_count: int) -> list[Issue]:
    """Finds ids that are no class, and masks of 0 and 255 where ids 0 and 1 were meant."""
    labels = [pair for pair in pairs if pair.label_pixels]
    return _binary(labels, class_count) + _beyond(labels, class_count)


def check_use(pairs: Sequence[Pair], class_names: Sequence[str]) -> list[IssueGroup]:
    """Finds classes that no label shows, and classes that only splits besides "train" show."""
    trained = {t for pair in pairs if pair.split == "train" for t in pair.pixels}
    others = {t for pair in pairs if pair.split != "train" for t in pair.pixels}
    if not trained | others:
        return []  # no label can be read, which says nothing about the classes
    findings = []
    if never := [t for t in range(len(class_names)) if t not in trained | others]:
        shifted = "; if the ids start at 1, subtract 1 from each" if never[0] == 0 else ""
        findings.append(
            IssueGroup(
                "warning",
                tuple(class_names[t] for t in never),
                "classes that no label shows",
                f"check that the labels were made with this class list{shifted}",
            )
        )
    if trained and (unseen := sorted(others - trained)):
        findings.append(
            IssueGroup(
                "warning",
                tuple(class_names[t] for t in unseen),
                "classes that labels show, but none in train",
                "nothing if that is meant (an open vocabulary); else move pictures of them to train",
            )
        )
    return findings


def _is_text(name: str) -> bool:
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


def _binary(labels: Sequence[Pair], class_count: int) -> list[Issue]:
    by_split: dict[str, list[Pair]] = {}
    for pair in labels:
        by_split.setdefault(pair.split, []).append(pair)
    binary = [split for split, pairs in by_split.items() if class_count > 1 and _is_binary(pairs)]
    # A single split may truly show nothing but class 0; a whole data set of many classes does not.
    trouble = IssueKind(
        "error" if len(binary) == len(by_split) else "warning",
        "splits whose labels hold only 0 and the value for unlabelled (255, or 65535 with 16 bits), "
        "so that class 0 is all there is to learn",
        "write class ids 0, 1, ... instead of 0 and 255",
    )
    return [Issue(trouble, pair.label) for split in binary for pair in by_split[split] if pair.label]


def _is_binary(pairs: Sequence[Pair]) -> bool:
    held = {t for pair in pairs for t in (*pair.pixels, *pair.beyond)}
    return held == {0} and any(pair.unlabelled for pair in pairs)


def _beyond(labels: Sequence[Pair], class_count: int) -> list[Issue]:
    ids = sorted({t for pair in labels for t in pair.beyond})
    last = class_count - 1
    if ids == [class_count]:
        fix = "subtract 1 from every id of every label, but not from 255"
        if any(0 in pair.pixels for pair in labels):
            fix = (
                f"if ids were meant to start at 1, {fix}, and write 255 where 0 is background; if not, "
                "add the missing class to the list"
            )
        trouble = IssueKind(
            "error",
            f"the id {class_count} is one more than the last: ids start at 0, so that the {class_count} "
            f"classes of the list have the ids 0 to {last}",
            fix,
        )
    else:
        shown = ", ".join(map(str, ids[:8])) + (", ..." if len(ids) > 8 else "")
        trouble = IssueKind(
            "error",
            f"ids that are no class: {shown}; the {class_count} classes of the list have the ids 0 to "
            f"{last}, and 255 (65535 with 16 bits) is unlabelled",
            "correct the labels or the class list; ids never meant come from resizing labels with "
            "interpolation, or from a palette, where the indices and not the colours are the ids",
        )
    return [
        Issue(trouble, pair.label, "palette" if pair.is_palette else "")
        for pair in labels
        if pair.beyond and pair.label
    ]
