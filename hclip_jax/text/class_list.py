"""Class lists as tools write them: the forms that are read, and lines that are refused as ambiguous."""

import re
from collections.abc import Sequence

from hclip_jax.errors import UserError, printable
from hclip_jax.io.json_file import parse_json

_NUMBERED = re.compile(r"(\d{1,9})(?:\s*[:,;.)]\s*|\s+)(\S.*)")
_LABELMAP = "# label:color_rgb:parts:actions"
_CSV = re.compile(r"pixel value\s*,\s*class", re.IGNORECASE)
_SEVERAL = re.compile(r", |[;|]")  # in the only name
_ONE_A_LINE = "write one class a line, in the order of the ids"

# Names that are none: their form, and the fix if it is not the form that is read.
_REFUSED: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (re.compile(r"__\w+__"), "labelme's name for unlabelled pixels, whose id is 255", "remove it"),
    (re.compile(r"(names|nc|path|train|val)\s*:.*|-\s.*|---"), "YAML", ""),
    (re.compile(r"[\[{][^\]}]*|[^\[{]*[\]}]|[\[{].*[\]}]"), "a piece of a list in brackets", ""),
    (re.compile(r"[\"'].*[\"'],?"), "a name in quotation marks", "remove them"),
    (re.compile(r".*:\d+,\d+,\d+.*"), f"of CVAT's labelmap.txt, whose first line is '{_LABELMAP}'", ""),
    (re.compile(r".*\t.*"), "several columns", ""),
    # The comma of Chinese and Japanese, their comma of enumerations, the comma of Arabic.
    (re.compile(".*[\uff0c\u3001\u060c].*"), "names with another comma than ','", "write ',' instead"),
    (re.compile(r"\d+\s*(?:[:;]|,(?!\d)).*"), "a numbered line among others", "number all lines or none"),
    (re.compile(r".*\S\s*[:;,]\s*\d+"), "a name with its id", ""),
    (
        re.compile(r".*(?<!\d),\S.*|.*,(?![\d\s]).*"),
        "names with a comma but no blank between them",
        f'{_ONE_A_LINE}, synonyms after ", "',
    ),
    (re.compile(r".*\S\|\S.*|(?!.*&\w+;).*;.*"), "several columns", ""),  # not "R&amp;D"
    (re.compile(r"(#|//).*"), "a comment", "remove it"),
    (
        re.compile(r".*\s\d{1,3}\s+\d{1,3}\s+\d{1,3}|.*#[0-9a-fA-F]{6}\b.*"),
        "a name with a colour",
        "",
    ),
    (re.compile("\\(?\\d+\\)?\\s*(=|->|\uff1a).*|->.*"), "a numbered line", "write it as '0: name'"),
    (
        re.compile(".*[\x00-\x08\x0b-\x1f\x7f\xad\u200b\ufeff].*", re.DOTALL),
        "a name with characters that cannot be seen",
        "save the list as UTF-8 text without them",
    ),
)


def parse_class_list(text: str, list_name: str) -> list[str]:
    """The names of a class list, in the order of their ids.

    Read are: one name a line, with synonyms after ", "; lines numbered 0, 1, ... in order, such as "0: cat"
    or "0 cat"; Roboflow's _classes.csv; CVAT's labelmap.txt; a JSON list, or an object from ids to names or
    from names to ids.

    Args:
        text: the content of the file.
        list_name: the name of the list in error messages.

    Returns:
        The names; empty lines are kept, except at the end.

    Raises:
        UserError: a line is in none of these forms, the ids are not 0, 1, ..., or all names stand on one
            line.
    """
    if text.lstrip().startswith(("[", "{")):
        names, first = _parse_json(text, list_name), 0
    else:
        # Not str.splitlines: it also splits at characters that editors do not treat as the end of a line.
        lines = [line.strip() for line in text.rstrip().split("\n")] if text.strip() else []
        names, first = _parse_lines(lines, list_name)
    check_forms(names, list_name, "line", _ONE_A_LINE, first + 1)
    return names


def check_forms(names: Sequence[str], list_name: str, item: str, instead: str, first: int = 1) -> None:
    """Checks that no name is a piece of another form, such as a quoted name or one with its id.

    Args:
        names: the names.
        list_name: the name of the list in error messages.
        item: the name of an entry in error messages: "name", "line".
        instead: the form that is read, for error messages.
        first: the number of the first entry.

    Raises:
        UserError: a name is, or the only name is several names.
    """
    for number, name in enumerate(names, start=first):
        for pattern, what, fix in _REFUSED:
            if pattern.fullmatch(name):
                raise _refused(list_name, item, number, name, what, fix or instead)
    if len(names) == 1 and _SEVERAL.search(names[0]):
        reason = "the only one, so that all its names are one class"
        raise _refused(list_name, item, first, names[0], reason, instead)


def _parse_lines(lines: list[str], list_name: str) -> tuple[list[str], int]:
    """The names, and how many lines come before the first."""
    if lines and lines[0] == _LABELMAP:
        return [line.split(":")[0] for line in lines[1:]], 1
    if lines and _CSV.fullmatch(lines[0]):
        return _without_numbers(lines[1:], list_name, 1), 1
    is_numbered = all(map(_NUMBERED.fullmatch, lines)) and (len(lines) > 1 or "".join(lines).startswith("0"))
    return (_without_numbers(lines, list_name, 0) if is_numbered else lines), 0


def _without_numbers(lines: Sequence[str], list_name: str, first: int) -> list[str]:
    names = []
    for t, line in enumerate(lines):
        match = _NUMBERED.fullmatch(line)
        if match is None or int(match[1]) != t:
            fix = "number the classes 0, 1, 2, ... in order"
            raise _refused(list_name, "line", first + t + 1, line, f"not the class of id {t}", fix)
        names.append(match[2])
    return names


def _parse_json(text: str, list_name: str) -> list[str]:
    tree = parse_json(text, list_name, _ONE_A_LINE, tuple)
    if isinstance(tree, tuple):  # pairs, in which a name or id may be repeated
        by_id = {str(key): value for key, value in tree}
        if not all(isinstance(value, str) for value in by_id.values()):
            by_id = {str(value): key for key, value in tree}
        tree = [by_id.get(str(t)) for t in range(len(tree))]
    if not all(isinstance(name, str) for name in tree):
        raise UserError(
            f"{list_name} is JSON, but neither a list of names nor an object with the ids 0, 1, ...: "
            f"{_ONE_A_LINE}"
        )
    return [name.strip() for name in tree]


def _refused(list_name: str, item: str, number: int, line: str, what: str, fix: str) -> UserError:
    return UserError(f"{list_name}: {item} {number} is '{printable(line)}', {what}: {fix}")
