"""Example images of the page: built-in scenes, so nothing is downloaded."""

from pathlib import Path

import numpy as np
from PIL import Image

from hclip_jax.data.scenes.source import ScenesSource
from hclip_jax.io.files import write_png

NUM_EXAMPLES = 3


def write_examples(folder: Path) -> list[list[str]]:
    """Draws the examples into a folder.

    Returns:
        For each example, the path of the image and the names of what it shows, separated by commas.
    """
    source = ScenesSource("val", "all", NUM_EXAMPLES)
    rows = []
    for index in range(NUM_EXAMPLES):
        example = source[index]
        path = folder / f"scene_{index}.png"
        write_png(path, Image.fromarray(example["image"]))
        ids = [t for t in np.unique(example["label"]) if t >= 0]
        rows.append([str(path), ",".join(source.class_names[t] for t in ids)])
    return rows
