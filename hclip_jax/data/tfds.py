"""A directory prepared by TensorFlow Datasets (TFDS) as a data set; TensorFlow is not imported."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from hclip_jax.data.digest import digest_files
from hclip_jax.data.image_io import decode_label
from hclip_jax.data.types import Example
from hclip_jax.errors import UserError, printable
from hclip_jax.io.json_file import read_json
from hclip_jax.text.class_names import check_class_names, read_class_names

LABEL_FEATURES = ("label", "annotation", "segmentation_mask")
_CLASS_KEYS = {"pythonClassName", "python_class_name", "type"}
_TFDS_FEATURE = re.compile(r"tensorflow_datasets\.core\.features\.[a-z_]+\.[A-Za-z]+")
NAME_FEATURES = ("name", "file_name", "filename")


def is_prepared(root: Path) -> bool:
    """Whether TFDS has prepared a data set in this directory itself, not below it."""
    return (root / "dataset_info.json").exists() and (root / "features.json").exists()


class TfdsSource:
    """The labelled images of one split, in their stored order.

    A record has the features `image` (uint8 [H, W, 3] or [H, W, 1]) and `label`, `annotation` or
    `segmentation_mask` (class ids [H, W] or [H, W, 1]; unlabelled pixels are 255 in uint8, 65535 in uint16).
    """

    def __init__(self, root: str | Path, split: str, classes_file: str = "") -> None:
        """Opens the split; images are decoded by `source[index]`.

        Args:
            root: the directory with dataset_info.json and features.json.
            split: a TFDS split, for example "train" or "train[:5%]".
            classes_file: a class list; by default ROOT/classes.txt, else the label feature's names.

        Raises:
            UserError: the split is unknown, the file format has no random access, or features or class
                names are missing.
        """
        import tensorflow_datasets as tfds  # here, because the import is slow and only this class needs it

        _check_features(Path(root))
        builder = tfds.builder_from_directory(root)
        features = builder.info.features
        label = next((name for name in LABEL_FEATURES if name in features), None)
        if label is None or "image" not in features:
            raise UserError(
                f"{root} has the features {', '.join(features)}, but needs image and one of "
                f"{', '.join(LABEL_FEATURES)}: prepare it with these features"
            )
        self._root, self._split, self._label_feature = str(root), split, label
        self._name_feature = next((name for name in NAME_FEATURES if name in features), None)
        self.class_names = _class_names(Path(root), classes_file, features[label])
        try:
            records = builder.as_data_source(split=split)
        except NotImplementedError as error:
            raise UserError(
                f"{root} is stored as {builder.info.file_format.value}, which has no random "
                'access: prepare it with file_format="array_record"'
            ) from error
        except ValueError as error:
            raise UserError(
                f"{root} has no split {split!r}: it has {', '.join(builder.info.splits)}"
            ) from error
        self._records = cast(Sequence[Mapping[str, Any]], records)

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> Example:
        record = self._records[index]
        record_name = f"record {index} of {self._split} in {self._root}"
        image: np.ndarray = record["image"]
        label: np.ndarray = record[self._label_feature]
        if label.ndim == 3 and label.shape[-1] == 1:
            label = label[..., 0]
        if label.ndim != 2 or label.dtype not in (np.uint8, np.uint16):
            raise UserError(
                f"{record_name} has a label of {label.dtype} {list(label.shape)}, but a label is uint8 "
                "or uint16 [H, W] or [H, W, 1]: store class ids in a single channel"
            )
        if image.dtype != np.uint8 or image.shape not in ((*label.shape, 3), (*label.shape, 1)):
            raise UserError(
                f"{record_name} has an image of {image.dtype} {list(image.shape)} and a label of "
                f"{list(label.shape)}, but the image must be uint8, RGB or grey, and as large as "
                "its label: correct the record"
            )
        if image.shape[-1] == 1:
            image = np.repeat(image, 3, axis=-1)
        return {
            "image": image,
            "label": decode_label(label, len(self.class_names), record_name),
            "name": self._stem(record) or f"{index:08d}",
        }

    def digest(self) -> str:
        """See `digest_files`; of all files of the data set."""
        return digest_files(sorted(path for path in Path(self._root).iterdir() if path.is_file()))

    def _stem(self, record: Mapping[str, Any]) -> str:
        name = record[self._name_feature] if self._name_feature else b""
        return Path(name.decode() if isinstance(name, bytes) else str(name)).stem


def _check_features(root: Path) -> None:
    """Refuses features of other programs: TFDS imports any Python class that features.json names.

    Raises:
        UserError: there is one, or the file is broken.
    """
    path = root / "features.json"
    pending: list[Any] = [read_json(path, "prepare the data set again")]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending += node
        elif isinstance(node, dict):
            pending += node.values()
            for key in _CLASS_KEYS & node.keys():
                if isinstance(node[key], str) and not _TFDS_FEATURE.fullmatch(node[key]):
                    raise UserError(
                        f"{path} names the Python class '{printable(node[key])}', which is no feature of "
                        f"TFDS and is not imported: prepare the data set with features of TFDS"
                    )


def _class_names(root: Path, classes_file: str, label: object) -> tuple[str, ...]:
    """Class names of the given file, of ROOT/classes.txt or of the label feature."""
    if classes_file or (root / "classes.txt").exists():
        return read_class_names(classes_file or root / "classes.txt")
    names = getattr(label, "names", []) if getattr(label, "num_classes", None) else []
    placeholders = [str(index) for index in range(len(names))]  # TFDS sets them if only the count is known
    if not names or list(names) == placeholders:
        raise UserError(
            f"{root} has no class names: write classes.txt there, one name a line, or give a class list"
        )
    return check_class_names(names, f"the label feature of {root}")
