"""The class names a user asks for, as groups of member names that the text tower encodes."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from hclip_jax.errors import UserError
from hclip_jax.text.class_names import check_class_names, split_synonyms

SYNONYMS = ("first", "mean", "max")
BACKGROUND = "background"


class ClassGroups(NamedTuple):
    """T classes, each a group of members; a class has the probability of its most probable member.

    Attributes:
        class_names: T names.
        members: the distinct names that are encoded.
        groups: for each class the indices of its members.
        synonyms: how the text tower treats synonyms inside a member: first | mean.
    """

    class_names: tuple[str, ...]
    members: tuple[str, ...]
    groups: tuple[tuple[int, ...], ...]
    synonyms: Literal["first", "mean"]

    def to_class_ids(self, member_ids: np.ndarray) -> np.ndarray:
        """Class ids from member ids; a member of several classes belongs to the first."""
        class_of = np.empty(len(self.members), np.int32)
        for t in reversed(range(len(self.class_names))):
            class_of[list(self.groups[t])] = t
        return class_of[member_ids]

    def to_class_probabilities(self, probabilities: np.ndarray) -> np.ndarray:
        """Class probabilities float32 [T, ...] from those of the members."""
        if self.groups == tuple((t,) for t in range(len(self.members))):
            return probabilities
        return np.stack([probabilities[list(group)].max(axis=0) for group in self.groups])


def group_class_names(
    class_names: Sequence[str], background: Sequence[str] = (), synonyms: str = "first"
) -> ClassGroups:
    """Groups class names, their synonyms and background names.

    Args:
        class_names: names in the order of their ids; a name may hold synonyms separated by ", ".
        background: names that are none of the classes; together they become one more class, the last.
        synonyms: "first" encodes only the first synonym; "mean" averages the text features of all; "max"
            encodes each as a member of its own, and the most probable counts.

    Raises:
        UserError: a name or synonym is empty, a name is repeated, or `synonyms` is not one of the above.
    """
    if synonyms not in SYNONYMS:
        raise UserError(f"synonyms is {synonyms!r}; it must be one of {', '.join(SYNONYMS)}")
    names = check_class_names(class_names, "the class list")
    if background:
        background = check_class_names(background, "the background list")
        if BACKGROUND in names:
            raise UserError(
                f"the class list holds {BACKGROUND!r}, which is the name of the background list; rename the "
                f"class"
            )
    index: dict[str, int] = {}

    def member_indices(name: str) -> list[int]:
        own = split_synonyms(name) if synonyms == "max" else [name]
        return [index.setdefault(member, len(index)) for member in own]

    groups = [tuple(member_indices(name)) for name in names]
    if background:
        groups.append(tuple(i for name in background for i in member_indices(name)))
        names = (*names, BACKGROUND)
    return ClassGroups(names, tuple(index), tuple(groups), "mean" if synonyms == "mean" else "first")
