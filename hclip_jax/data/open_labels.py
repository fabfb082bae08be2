"""Finds the images and labels of a split in a labelled folder or another layout."""

from pathlib import Path

from hclip_jax.data.coco import CocoLabels
from hclip_jax.data.colour_map import read_colour_map
from hclip_jax.data.labelme import LabelmeLabels
from hclip_jax.data.labels import Labels, PngLabels
from hclip_jax.data.layout import Layout
from hclip_jax.data.patterns import scan_patterns
from hclip_jax.data.scan import Scan, scan_split
from hclip_jax.text.class_names import read_class_names

CLASS_LIST = "classes.txt"


def open_labels(
    root: Path, split: str, classes_file: str, layout: Layout, sampled: bool = True
) -> tuple[Scan, Labels]:
    """Lists the files of a split, and opens its colour map or JSON.

    Args:
        root: the folder.
        split: the name of the split.
        classes_file: a class list to use instead of the folder's, of a colour map's or of a JSON's names.
        layout: where the files lie; an empty one is a labelled folder.
        sampled: as of `list_images`; False keeps what is wrong with one label until it is read.

    Raises:
        UserError: a file is missing or wrong.
    """
    if layout.is_coco:
        here = layout.of_split(split)
        class_list = read_class_names(classes_file) if classes_file else ()
        coco = CocoLabels(root / here.labels, root / here.images, split, class_list)
        return coco.scan, coco
    scan = scan_patterns(root, split, layout, sampled) if layout.images else scan_split(root, split)
    if layout.is_labelme:
        class_list = _class_list(root, classes_file)
        return scan, LabelmeLabels(scan.pairs, class_list, keeps_errors=not sampled)
    return scan, open_png_labels(root, classes_file, layout)


def open_png_labels(root: Path, classes_file: str, layout: Layout) -> PngLabels:
    """Opens the colour map, if there is one. `class_names` are empty if a class list has them.

    Raises:
        UserError: the colour map or the class list is wrong.
    """
    if not layout.colour_map:
        return PngLabels()
    colours = read_colour_map(layout.colour_map, _class_list(root, classes_file))
    return PngLabels(colours, colours.class_names, colours.fingerprint())


def _class_list(root: Path, classes_file: str) -> tuple[str, ...]:
    """The class list that is given, or that of the folder; empty if there is none."""
    path = classes_file or root / CLASS_LIST
    return read_class_names(path) if classes_file or (root / CLASS_LIST).exists() else ()
