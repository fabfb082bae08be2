"""Issues of a class list, and of the labels of a folder compared with it."""

from collections.abc import Sequence
from pathlib import Path

from hclip_jax.data.check.issues import Issue, IssueGroup, IssueKind
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
    groups = []
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
    return names, groups


def check_ids(pairs: Sequence[CheckedPair], num_classes: int) -> list[Issue]:
    """Finds invalid ids, masks of 0 and 255 that should hold the ids 0 and 1, and labels of one class."""
    labels = [pair for pair in pairs if pair.label_pixels]
    binary = _binary_masks(labels, num_classes)
    is_explained = any(issue.kind.level == "error" for issue in binary)
    single = [] if is_explained else _single_class(labels)
    return binary + single + _unlabelled_splits(labels) + _invalid_ids(labels, num_classes)


def check_class_use(pairs: Sequence[CheckedPair], class_names: Sequence[str]) -> list[IssueGroup]:
    """Finds classes that no label holds, and classes that no label of the split "train" holds."""
    in_train = {t for pair in pairs if pair.split == "train" for t in pair.pixel_counts}
    in_others = {t for pair in pairs if pair.split != "train" for t in pair.pixel_counts}
    if not in_train | in_others:
        return []  # no label can be decoded, so nothing is known about the classes
    groups = []
    if unused := [t for t in range(len(class_names)) if t not in in_train | in_others]:
        shifted = "; if the ids start at 1, subtract 1 from each" if unused[0] == 0 else ""
        groups.append(
            IssueGroup(
                "warning",
                tuple(class_names[t] for t in unused),
                "classes that no label shows",
                f"check that the labels were made with this class list{shifted}",
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


def _binary_masks(labels: Sequence[CheckedPair], num_classes: int) -> list[Issue]:
    by_split: dict[str, list[CheckedPair]] = {}
    for pair in labels:
        by_split.setdefault(pair.split, []).append(pair)
    binary = [split for split, pairs in by_split.items() if num_classes > 1 and _are_binary(pairs)]
    # A single split may really show class 0 only; a whole data set of several classes does not.
    kind = IssueKind(
        "error" if len(binary) == len(by_split) else "warning",
        "splits whose labels hold only 0 and the value for unlabelled (255, or 65535 with 16 bits), so that "
        "class 0 is the only class",
        "write class ids 0, 1, ... instead of 0 and 255",
    )
    return [Issue(kind, pair.files.label) for split in binary for pair in by_split[split] if pair.files.label]


def _single_class(labels: Sequence[CheckedPair]) -> list[Issue]:
    """Labels from which nothing is learnt: every labelled pixel has the same class."""
    if len({t for pair in labels for t in (*pair.pixel_counts, *pair.invalid_ids)}) != 1:
        return []
    kind = IssueKind(
        "error",
        "labels that show the same class at every labelled pixel, so that a model which always answers it is "
        "right and nothing is learnt",
        "label everything else too, for example as a class named background with an id of its own",
    )
    return [Issue(kind, pair.files.label) for pair in labels if pair.pixel_counts and pair.files.label]


def _unlabelled_splits(labels: Sequence[CheckedPair]) -> list[Issue]:
    kind = IssueKind(
        "error",
        "splits without a single labelled pixel",
        "label their images, or remove the split; 255 (65535 with 16 bits) means unlabelled",
    )
    splits = {pair.split: pair.files.label.parent for pair in labels if pair.files.label}
    labelled = {pair.split for pair in labels if pair.pixel_counts or pair.invalid_ids}
    return [Issue(kind, folder) for split, folder in splits.items() if split not in labelled]


def _are_binary(pairs: Sequence[CheckedPair]) -> bool:
    ids = {t for pair in pairs for t in (*pair.pixel_counts, *pair.invalid_ids)}
    return ids == {0} and any(pair.unlabelled_pixels for pair in pairs)


def _invalid_ids(labels: Sequence[CheckedPair], num_classes: int) -> list[Issue]:
    ids = sorted({t for pair in labels for t in pair.invalid_ids})
    last = num_classes - 1
    if ids == [num_classes]:
        fix = "subtract 1 from every id of every label, but not from 255"
        others = {t for pair in labels for t in pair.pixel_counts if t}
        if any(0 in pair.pixel_counts for pair in labels) and not others:
            fix = "name both ids in the class list: first what 0 shows, for example background"
        elif any(0 in pair.pixel_counts for pair in labels):
            fix = (
                f"if ids were meant to start at 1, {fix}, and write 255 where 0 is background; if not, add "
                "the missing class to the list"
            )
        kind = IssueKind(
            "error",
            f"the id {num_classes} is one more than the last: ids start at 0, so that the {num_classes} "
            f"classes of the list have the ids 0 to {last}",
            fix,
        )
    else:
        shown = ", ".join(map(str, ids[:8])) + (", ..." if len(ids) > 8 else "")
        kind = IssueKind(
            "error",
            f"ids that are no class: {shown}; the {num_classes} classes of the list have the ids 0 to {last}"
            ", and 255 (65535 with 16 bits) is unlabelled",
            "correct the labels or the class list; unintended ids come from resizing labels with "
            "interpolation, or from a palette, where the indices and not the colours are the ids",
        )
    return [
        Issue(kind, pair.files.label, "palette" if pair.is_palette else "")
        for pair in labels
        if pair.invalid_ids and pair.files.label
    ]
