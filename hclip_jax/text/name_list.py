"""Class names that a person types: one line, separated by commas."""

from hclip_jax.errors import printable
from hclip_jax.text.class_list import check_forms
from hclip_jax.text.class_names import check_class_names


def split_names(text: str, origin: str) -> tuple[str, ...]:
    """Names separated by commas. Synonyms need a class list file, where a line ends a name.

    Args:
        text: the names; "" for none.
        origin: where they were typed, for messages.

    Raises:
        UserError: a name is empty, too long or there twice, or the text looks like another form of list.
    """
    if not text.strip():
        return ()
    list_name = f"{origin}='{printable(text)}'"
    names = check_class_names(text.split(","), list_name)
    check_forms(names, list_name, "name", 'write names separated by commas, such as "cat,traffic light"')
    return names
