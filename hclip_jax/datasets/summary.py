"""Counts over the images of a split while they are read."""

from dataclasses import dataclass, field

import numpy as np

from hclip_jax.datasets.dataset import Dataset


@dataclass
class Summary:
    """Counts of a split.

    Attributes:
        num_images: images that were read and kept.
        num_left_out: images that the published protocol leaves out.
        num_bytes: of images and labels.
        num_pixels: of all labels.
        num_ignored: unlabelled pixels.
        images_by_class: int64 [num_label_ids], images that show a class.
        images_by_raw_id: int64 [65536], images whose official label holds an id.
        remarks: contradictions of the official files, one an image.
    """

    num_images: int = 0
    num_left_out: int = 0
    num_bytes: int = 0
    num_pixels: int = 0
    num_ignored: int = 0
    images_by_class: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    images_by_raw_id: np.ndarray = field(default_factory=lambda: np.zeros(65536, np.int64))
    remarks: list[str] = field(default_factory=list)

    @classmethod
    def empty(cls, dataset: Dataset) -> "Summary":
        """A summary before the first image."""
        return cls(images_by_class=np.zeros(dataset.num_label_ids, np.int64))
