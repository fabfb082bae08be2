"""The words a picture is to be labelled with, and the phrases that are asked for each of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hclip_jax.errors import UserError
from hclip_jax.text.class_names import check_class_names
from hclip_jax.text.prompts import synonyms_of

SYNONYMS = ("first", "mean", "max")
BACKGROUND = "background"


class Vocabulary(NamedTuple):
    """T classes; the probability of a class is that of the most probable of its phrases."""

    classes: tuple[str, ...]
    phrases: tuple[str, ...]
    members: tuple[tuple[int, ...], ...]  # the phrases of each class, by number
    synonyms: str  # how the text tower is told a phrase's own synonyms: first | mean

    def classes_of(self, ids: np.ndarray) -> np.ndarray:
        """Class ids from phrase ids; a phrase of several classes is the first's."""
        owner = np.empty(len(self.phrases), np.int32)
        for t in reversed(range(len(self.classes))):
            owner[list(self.members[t])] = t
        return owner[ids]

    def probabilities_of(self, probabilities: np.ndarray) -> np.ndarray:
        """float32 [T, ...] from those of the phrases."""
        if self.members == tuple((t,) for t in range(len(self.phrases))):
            return probabilities
        return np.stack([probabilities[list(own)].max(axis=0) for own in self.members])


def make_vocabulary(
    classes: Sequence[str], background: Sequence[str] = (), synonyms: str = "first"
) -> Vocabulary:
    """Puts a vocabulary together.

    Args:
        classes: names in the order of their ids; a name may hold synonyms separated by ", ".
        background: names of what is none of the classes; together they become one more class, the last.
        synonyms: "first" asks for the first synonym alone; "mean" for the mean of their text features;
            "max" for each by itself, of which the most probable counts.

    Raises:
        UserError: a name or synonym is empty, a name is repeated, or `synonyms` is not as said above.
    """
    if synonyms not in SYNONYMS:
        raise UserError(f"synonyms is {synonyms!r}; it must be one of {', '.join(SYNONYMS)}")
    names = check_class_names(classes, "the class list")
    if background:
        background = check_class_names(background, "the background list")
        if BACKGROUND in names:
            raise UserError(
                f"the class list holds {BACKGROUND!r}, which the background list is called; rename the class"
            )
    asked: dict[str, int] = {}

    def numbers(name: str) -> list[int]:
        own = synonyms_of(name) if synonyms == "max" else [name]
        return [asked.setdefault(phrase, len(asked)) for phrase in own]

    members = [tuple(numbers(name)) for name in names]
    if background:
        members.append(tuple(number for name in background for number in numbers(name)))
        names = (*names, BACKGROUND)
    told = "mean" if synonyms == "mean" else "first"
    return Vocabulary(names, tuple(asked), tuple(members), told)
