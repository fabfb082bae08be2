"""Groups the class names of a user, their synonyms and the background into classes."""

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
        members: the distinct names that the text tower encodes; A in number.
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
    index_by_member: dict[str, int] = {}

    def member_indices(name: str) -> list[int]:
        members = split_synonyms(name) if synonyms == "max" else [name]
        return [index_by_member.setdefault(member, len(index_by_member)) for member in members]

    groups = [tuple(member_indices(name)) for name in names]
    if background:
        groups.append(tuple(i for name in background for i in member_indices(name)))
        names = (*names, BACKGROUND)
    return ClassGroups(
        names, tuple(index_by_member), tuple(groups), "mean" if synonyms == "mean" else "first"
    )
