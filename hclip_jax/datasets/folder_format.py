"""Writes a prepared set as a labelled folder: images/SPLIT, labels/SPLIT/*.png, classes.txt."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from hclip_jax.datasets.dataset import Dataset
from hclip_jax.datasets.records import Record


def write_folder(folder: Path, dataset: Dataset, splits: Mapping[str, Iterator[Record | None]]) -> Path:
    """Writes all splits to an empty folder.

    Returns:
        The folder for the state of the set.

    Raises:
        UserError: as the iterators.
    """
    suffix = {"jpeg": ".jpg", "png": ".png"}[dataset.image_format]
    for split, records in splits.items():
        images, labels = (folder / kind / split for kind in ("images", "labels"))
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        for record in records:
            if record is not None:
                (images / f"{record.name}{suffix}").write_bytes(record.image)
                (labels / f"{record.name}.png").write_bytes(record.label)
    (folder / "classes.txt").write_text("\n".join(dataset.class_names) + "\n", "utf-8")
    return folder
