"""Groups the class names of a user, their synonyms and the background into classes."""

import itertools
import warnings
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from hclip_jax.errors import UserError, printable, some
from hclip_jax.text.class_names import check_class_names
from hclip_jax.text.reading import Reading, reading, split_synonyms, to_text

SYNONYMS = ("first", "mean", "max")
BACKGROUND = "background"


class ClassGroups(NamedTuple):
    """T classes, each a group of members; a class has the probability of its most probable member.

    Attributes:
        class_names: T names.
        members: the names that the text tower encodes, A in number; no two have the same reading.
        groups: the indices of its members for each class.
        synonyms: treatment of synonyms within a member, see `templates.fill_templates`: first | mean.
    """

    class_names: tuple[str, ...]
    members: tuple[str, ...]
    groups: tuple[tuple[int, ...], ...]
    synonyms: Literal["first", "mean"]

    def to_class_ids(self, member_ids: np.ndarray) -> np.ndarray:
        """Converts member ids to class ids int32; a member of several classes belongs to the first."""
        class_by_member = np.empty(len(self.members), np.int32)
        for t in reversed(range(len(self.class_names))):
            class_by_member[list(self.groups[t])] = t
        return class_by_member[member_ids]

    def to_class_probabilities(self, probabilities: np.ndarray) -> np.ndarray:
        """Converts member probabilities float32 [A, ...] to class probabilities [T, ...]."""
        if self.groups == tuple((t,) for t in range(len(self.members))):
            return probabilities
        return np.stack([probabilities[list(group)].max(axis=0) for group in self.groups])


def group_class_names(
    class_names: Sequence[str], background: Sequence[str] = (), synonyms: str = "first"
) -> ClassGroups:
    """Groups class names, their synonyms and background names.

    Args:
        class_names: names in the order of their ids; a name may hold synonyms separated by ", ".
        background: names of other things; together they are one more class, the last, named "background".
        synonyms: "first" encodes only the first synonym; "mean" averages the text features of all; "max"
            encodes each synonym as a member, and the class has the maximum of their probabilities.

    Names with the same `reading` are one member, which belongs to the first of its classes.

    Warns of classes that get no pixel, because all their members belong to classes before them, and of
    background names that are members of a class.

    Raises:
        UserError: `check_class_names` refuses a list, a class has the name of the background list, or
            `synonyms` is not one of the above.
    """
    if synonyms not in SYNONYMS:
        raise UserError(f"synonyms is {synonyms!r}; it must be one of {', '.join(SYNONYMS)}")
    names = check_class_names(class_names, "the class list")
    background = check_class_names(background, "the background list") if background else ()
    members: list[str] = []
    index_by_reading: dict[Reading, int] = {}

    def member_indices(name: str) -> tuple[int, ...]:
        indices = []
        for member in split_synonyms(name) if synonyms == "max" else [name]:
            index = index_by_reading.setdefault(reading(member, synonyms), len(members))
            if index == len(members):
                members.append(member)
            indices.append(index)
        return tuple(indices)

    groups = [member_indices(name) for name in names]
    _warn_of_hidden_classes(names, groups, synonyms)
    if background:
        _check_background_name(names)
        num_members = len(members)
        indices = {name: member_indices(name) for name in background}
        _warn_of_shared_names([name for name in background if min(indices[name]) < num_members])
        groups.append(tuple(itertools.chain.from_iterable(indices.values())))
        names = (*names, BACKGROUND)
    return ClassGroups(names, tuple(members), tuple(groups), "mean" if synonyms == "mean" else "first")


def _check_background_name(names: Sequence[str]) -> None:
    for name in names:
        if reading(name) == reading(BACKGROUND):
            raise UserError(
                f"the class list holds '{printable(name)}', which is the name of the background list; rename "
                "the class"
            )


def _warn_of_hidden_classes(names: Sequence[str], groups: Sequence[tuple[int, ...]], synonyms: str) -> None:
    """Warns of classes whose members all belong to classes before them."""
    assigned: set[int] = set()
    hidden = []
    for name, group in zip(names, groups, strict=True):
        if assigned.issuperset(group):
            hidden.append(f"'{printable(name)}' (read as {to_text(reading(name, synonyms))})")
        assigned.update(group)
    if hidden:
        remedy = ', or use synonyms "mean"' if synonyms != "mean" else ""
        warnings.warn(
            "CLIP reads the words of classes before them in these class names, so that they get no pixel: "
            f"{some(hidden)}; rename them{remedy}",
            stacklevel=3,
        )


def _warn_of_shared_names(names: Sequence[str]) -> None:
    if names:
        warnings.warn(
            "CLIP reads the words of classes in these background names, so that their pixels belong to the "
            f"classes: {some(map(repr, map(printable, names)))}; remove them from the background list",
            stacklevel=3,
        )
