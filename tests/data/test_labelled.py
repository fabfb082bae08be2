from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data.folder import FolderSource
from hclip_jax.data.labelled import check_labelled
from hclip_jax.data.types import Example
from hclip_jax.errors import UserError


def relabel(folder: Path, ids: dict[int, int]) -> None:
    """Fills the labels, 255 for an index that is not given."""
    for index in range(6):
        path = folder / f"labels/train/pet.{index}.png"
        with Image.open(path) as label:
            size = label.size
        Image.new("L", size, ids.get(index, 255)).save(path)


def test_usual_labels_are_read_until_two_classes_are_found(folder: Path) -> None:
    class Counting(FolderSource):
        reads = 0

        def __getitem__(self, index: int) -> Example:
            Counting.reads += 1
            return super().__getitem__(index)

    assert check_labelled(Counting(folder, "train")) == ""
    assert Counting.reads == 1


def test_labels_without_a_labelled_pixel_are_refused(folder: Path) -> None:
    relabel(folder, {})
    with pytest.raises(UserError, match="no label of the training data has a labelled pixel"):
        check_labelled(FolderSource(folder, "train"))


def test_labels_of_one_class_are_a_warning(folder: Path) -> None:
    relabel(folder, {2: 1, 5: 1})
    assert "6 of 6 labels were read and show 'traffic light' alone" in check_labelled(
        FolderSource(folder, "train")
    )
    relabel(folder, {2: 1, 5: 2})
    assert check_labelled(FolderSource(folder, "train")) == ""


@pytest.mark.parametrize("labelled", [0, 777])
def test_a_few_labelled_images_of_many_are_found(labelled: int) -> None:
    class Sparse:
        class_names: tuple[str, ...] = ("cat", "sky")

        def __len__(self) -> int:
            return 1000

        def __getitem__(self, index: int) -> Example:
            label = np.full((2, 2), 1 if index == labelled else -1, np.int32)
            return {"image": np.zeros((2, 2, 3), np.uint8), "label": label, "name": ""}

        def digest(self) -> str:
            return ""

    assert ("100 of 1,000 labels" in check_labelled(Sparse())) == (labelled == 0)
