"""Class ids of labels that come with names: those of a colour map or of COCO's categories."""

from collections.abc import Sequence

from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError, printable
from hclip_jax.text.class_names import check_class_names

NO_LABEL = ("void", "unlabeled", "unlabelled", "ignore")
"""Names that mean "no label", unless the class list has them."""


def named_ids(
    names: Sequence[str], where: str, class_list: Sequence[str] = (), used: Sequence[bool] = ()
) -> tuple[tuple[str, ...], list[int]]:
    """The class names, and the id of each name, IGNORE for a name that means "no label".

    Without a class list, the names are the classes, in their order. With one, a name has the id of the class
    that has it, as its name or as one of its synonyms.

    Args:
        names: of colours or categories.
        where: what has the names, for messages.
        class_list: the class names to use instead.
        used: whether a label has the name; all by default.

    Raises:
        UserError: a name is in no class of the list, or cannot name a class.
    """
    if not class_list:
        kept = [name for name in names if _plain(name) not in NO_LABEL]
        ids = {name: t for t, name in enumerate(kept)}
        return check_class_names(kept, where), [ids.get(name, IGNORE) for name in names]
    by_name = {_plain(name): t for t, name in reversed(list(enumerate(class_list)))}
    for t, class_name in enumerate(class_list):
        for synonym in class_name.split(", "):
            by_name.setdefault(_plain(synonym), t)
    ids = []
    for index, name in enumerate(names):
        t = by_name.get(_plain(name), IGNORE)
        if t == IGNORE and _plain(name) not in NO_LABEL and (not used or used[index]):
            raise UserError(
                f"{where} has the name '{printable(name)}', which is in no line of the class list: add it "
                f"(as a synonym, 'car, {printable(name)}'), or call it {NO_LABEL[0]}, which means no label"
            )
        ids.append(t)
    return tuple(class_list), ids


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").split()).casefold()
