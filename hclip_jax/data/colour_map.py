"""Labels that store classes as colours: CVAT's labelmap.txt, and the colours of Pascal VOC."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hclip_jax.data.label_io import check_lossless
from hclip_jax.data.named_ids import named_ids
from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError, printable
from hclip_jax.images.open_image import open_image
from hclip_jax.images.orientation import upright
from hclip_jax.io.substitutes import check_file

VOC = "voc"
"""The name of the standard map of 256 colours, the last of which, (224, 224, 192), is void."""
_VOC_NAMES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("dining table", "dog", "horse", "motorbike", "person", "potted plant", "sheep", "sofa", "train"),
    "tv monitor",
)
_LINE = re.compile(r"([^:]*):\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*(?::[^:]*:[^:]*)?")
_FORM = "write name:red,green,blue:: with numbers from 0 to 255, as CVAT's labelmap.txt"
_MAX_BYTES = 2**24
_MODES = ("1", "L", "P", "RGB", "RGBA")


class ColourMap(NamedTuple):
    """Class ids of colours.

    Attributes:
        name: the file or "voc", for messages.
        class_names: by id; empty if the class list alone has them.
        codes: uint32 [C], ascending: red * 65536 + green * 256 + blue of each of C colours.
        ids: uint16 [C]; 65535 for colours that mean "no label".
    """

    name: str
    class_names: tuple[str, ...]
    codes: np.ndarray
    ids: np.ndarray

    def fingerprint(self) -> str:
        """Text that changes with a colour or its id."""
        return hashlib.sha256(self.codes.tobytes() + self.ids.tobytes()).hexdigest()


def read_colour_map(path: str, class_list: Sequence[str] = ()) -> ColourMap:
    """Reads a colour map.

    Args:
        path: a text file with a line "name:r,g,b:parts:actions" for each class, or "voc".
        class_list: names in the order of the ids; without it, the lines are the classes in their order.

    Raises:
        UserError: the file cannot be read, a line is none, two have the same colour, or a name is not in the
            class list.
    """
    if path == VOC:
        colours = [_voc_colour(t) for t in range(256)]
        return _make(path, tuple(class_list) or _VOC_NAMES, colours, [*range(255), IGNORE])
    names, colours = _parse(_read(Path(path)), path)
    class_names, ids = named_ids(names, path, class_list)
    return _make(path, class_names, colours, ids)


def read_coloured_label(path: str | Path, colours: ColourMap) -> np.ndarray:
    """Reads the class ids of a label that stores colours: uint16 [H, W], 65535 for "no label".

    Of a palette image, the colours count, not the indices.

    Raises:
        UserError: the file is unreadable, a JPEG, has transparent pixels, or a colour that the map lacks.
    """
    with open_image(path) as image:
        check_lossless(path, image.format)
        if image.mode not in _MODES:
            raise UserError(
                f"the label {path} has the mode {image.mode}, which has no 8-bit colours: save it as RGB"
            )
        if image.mode == "RGBA" and np.asarray(image)[..., 3].min(initial=255) < 255:
            raise UserError(f"the label {path} has transparent pixels: save it as RGB, without transparency")
        rgb = np.asarray(upright(image.convert("RGB")))
    code = _codes(rgb)
    index = np.searchsorted(colours.codes, code).clip(max=len(colours.codes) - 1)
    is_unknown = colours.codes[index] != code
    if is_unknown.any():
        raise UserError(f"{path} {_unknown(code[is_unknown], colours)}")
    return colours.ids[index]


def _unknown(codes: np.ndarray, colours: ColourMap) -> str:
    """The end of the sentence about pixels whose colours the map lacks: the most frequent of them."""
    values, counts = np.unique(codes, return_counts=True)
    colour = _rgb(values[counts.argmax()])
    known = _rgb(colours.codes)
    nearest = int(((known - colour) ** 2).sum(axis=-1).argmin())
    t = int(colours.ids[nearest])
    name = colours.class_names[t] if t < len(colours.class_names) else f"id {t}" if t < 65535 else "no label"
    more = f" and {len(values) - 1:,} other colours" if len(values) > 1 else ""
    return (
        f"has {counts.max():,} pixels of the colour {_shown(colour)}{more} that {colours.name} lacks; the "
        f"nearest of the map is {_shown(known[nearest])} ({name}): add the colour to the map, or export the "
        "label without compression and smoothing"
    )


def _make(
    path: str, class_names: tuple[str, ...], colours: Sequence[Sequence[int]], ids: Sequence[int]
) -> ColourMap:
    codes = _codes(np.array(colours, np.uint8))
    order = np.argsort(codes)
    stored = np.array([65535 if t == IGNORE else t for t in ids], np.uint16)
    return ColourMap(path, class_names, codes[order], stored[order])


def _parse(text: str, path: str) -> tuple[list[str], list[tuple[int, ...]]]:
    names: list[str] = []
    colours: list[tuple[int, ...]] = []
    line_by_colour: dict[tuple[int, ...], int] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        colour = tuple(map(int, match.groups()[1:])) if match else ()
        if match is None or max(colour) > 255:
            raise UserError(f"{path}: line {number} is '{printable(line)}', no colour of a class: {_FORM}")
        if first := line_by_colour.get(colour):
            raise UserError(
                f"{path}: line {first} and line {number} have the same colour {_shown(colour)}: give each "
                "class its own, as the labels have it"
            )
        line_by_colour[colour] = number
        names.append(match[1].strip())
        colours.append(colour)
    if not names:
        raise UserError(f"{path} holds no colours: {_FORM}")
    if len(names) >= 65535:
        raise UserError(f"{path} has {len(names):,} colours, but 65,534 are the most: remove some")
    return names, colours


def _read(path: Path) -> str:
    check_file(path, f"give a colour map, or {VOC!r} for the colours of Pascal VOC")
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UserError(f"{path} has more than {_MAX_BYTES:,} bytes, too many for a colour map: {_FORM}")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); give a colour map") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8") from error


def _voc_colour(t: int) -> list[int]:
    """The bits of t, in turn to red, green and blue, from the highest bit of each."""
    return [sum((t >> (3 * bit + channel) & 1) << (7 - bit) for bit in range(3)) for channel in range(3)]


def _codes(rgb: np.ndarray) -> np.ndarray:
    red, green, blue = np.moveaxis(rgb.astype(np.uint32), -1, 0)
    return red << 16 | green << 8 | blue


def _rgb(codes: np.ndarray) -> np.ndarray:
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=-1).astype(np.int64)


def _shown(colour: Sequence[int] | np.ndarray) -> str:
    return f"({', '.join(str(int(value)) for value in colour)})"
