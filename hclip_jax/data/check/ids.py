"""Issues of the ids of all labels of a folder together."""

from collections.abc import Sequence

from hclip_jax.data.check.issues import Issue, IssueKind
from hclip_jax.data.check.pair import CheckedPair

_MIN_THIN_LABELS, _MIN_THIN_SHARE = 2, 0.2


def check_ids(pairs: Sequence[CheckedPair], num_classes: int, are_named: bool = False) -> list[Issue]:
    """Finds invalid ids, masks of 0 and 255, labels of one class, and ids made by interpolation.

    Args:
        pairs: the images with their labels.
        num_classes: of the class list.
        are_named: whether the labels have names or colours in place of ids, so that no id can be wrong.
    """
    labels = [pair for pair in pairs if pair.label_pixels]
    if are_named:
        return _single_class(labels) + _unlabelled_splits(labels)
    binary = _binary_masks(labels, num_classes)
    is_explained = any(issue.kind.level == "error" for issue in binary)
    single = [] if is_explained else _single_class(labels)
    invalid = _invalid_ids(labels, num_classes)
    return binary + single + _unlabelled_splits(labels) + invalid + ([] if invalid else _thin_lines(labels))


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


def _thin_lines(labels: Sequence[CheckedPair]) -> list[Issue]:
    """Ids that interpolation made, if they are in many labels: a single one may really show such a line."""
    suspected = [pair for pair in labels if pair.thin_ids]
    if len(suspected) < max(_MIN_THIN_LABELS, _MIN_THIN_SHARE * len(labels)):
        return []
    kind = IssueKind(
        "warning",
        "labels with ids that show only as lines of 1 to 2 pixels, each between a smaller and a larger id: "
        "resizing with interpolation makes such lines",
        "look at the borders; if the labels were resized, resize their originals by nearest neighbour",
    )
    return [
        Issue(kind, pair.files.label, f"id {', '.join(map(str, pair.thin_ids[:3]))}")
        for pair in suspected
        if pair.files.label
    ]


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
