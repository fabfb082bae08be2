"""Names of images in results and reports."""

import os
from collections.abc import Sequence
from pathlib import Path


def unique_names(images: Sequence[Path]) -> list[str]:
    """A name for each image that no other has: its stem, or if folders have equal ones, those too."""
    names = [image.stem for image in images]
    if len(set(names)) < len(names):
        paths = [image.absolute() for image in images]  # the JSON of COCO may have both kinds of paths
        top = os.path.commonpath([path.parent for path in paths])
        names = [path.relative_to(top).with_suffix("").as_posix().replace("/", "-") for path in paths]
    if len(set(names)) < len(names):
        names = [f"{name}-{index}" for index, name in enumerate(names)]
    return names
