"""A directory prepared by TensorFlow Datasets (TFDS) as a data set; TensorFlow is not imported."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image

from hclip_jax.data.digest import digest_files
from hclip_jax.data.label_io import decode_compact_label, decode_label, decode_raw_label
from hclip_jax.data.types import DecodedExample, Example
from hclip_jax.errors import UserError, printable
from hclip_jax.images.image_io import decode_image, decode_rgb
from hclip_jax.io.json_file import read_json
from hclip_jax.io.paths import gcs_path
from hclip_jax.text.class_names import check_class_names, read_class_names

LABEL_FEATURES = ("label", "annotation", "segmentation_mask")
_CLASS_KEYS = {"pythonClassName", "python_class_name", "type"}
_TFDS_FEATURE = re.compile(r"tensorflow_datasets\.core\.features\.[a-z_]+\.[A-Za-z]+")
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
NAME_FEATURES = ("name", "file_name", "filename")


def prepared_folder(root: str | Path) -> Path | None:
    """The folder of a prepared data set: the root, or its newest version below it; None if there is none.

    Args:
        root: a folder, or an address such as gs://BUCKET/FOLDER.

    Raises:
        UserError: the address cannot be reached.
    """
    path = gcs_path(root)
    if _is_prepared(path):
        return path
    versions = [child for child in path.iterdir() if _VERSION.fullmatch(child.name)] if path.is_dir() else []
    prepared = [child for child in versions if _is_prepared(child)]
    return max(prepared, key=lambda child: [int(part) for part in child.name.split(".")], default=None)


def _is_prepared(folder: Path) -> bool:
    return (folder / "dataset_info.json").exists() and (folder / "features.json").exists()


class TfdsSource:
    """The labelled images of one split, in their stored order.

    A record has the features `image` (uint8 [H, W, 3] or [H, W, 1]) and `label`, `annotation` or
    `segmentation_mask` (class ids [H, W] or [H, W, 1]; unlabelled pixels are 255 in uint8, 65535 in uint16).
    Stored image files are decoded as those of a labelled folder: TFDS's own decoding depends on whether
    OpenCV is installed, takes the colours of palette images for ids, and cannot read 16 bits without it.
    """

    def __init__(self, root: str | Path, split: str, classes_file: str = "") -> None:
        """Opens the split; images are decoded by `source[index]`.

        Args:
            root: the directory with dataset_info.json and features.json, the one above its versions, or an
                address such as gs://BUCKET/FOLDER.
            split: a TFDS split, for example "train" or "train[:5%]".
            classes_file: a class list; by default ROOT/classes.txt, else the label feature's names.

        Raises:
            UserError: the split is unknown, the file format has no random access, or features or class
                names are missing.
        """
        import tensorflow_datasets as tfds  # here, because the import is slow and only this class needs it

        folder = prepared_folder(root) or gcs_path(root)
        _check_features(folder)
        builder = tfds.builder_from_directory(folder)
        features = builder.info.features
        label = next((name for name in LABEL_FEATURES if name in features), None)
        if label is None or "image" not in features:
            raise UserError(
                f"{root} has the features {', '.join(features)}, but needs image and one of "
                f"{', '.join(LABEL_FEATURES)}: prepare it with these features"
            )
        self._root, self._folder, self._split, self._label_feature = str(root), str(folder), split, label
        self._name_feature = next((name for name in NAME_FEATURES if name in features), None)
        self.class_names = _class_names(folder, classes_file, features[label])
        files = [name for name in ("image", label) if isinstance(features[name], tfds.features.Image)]
        try:
            records = builder.as_data_source(
                split=split, decoders={name: tfds.decode.SkipDecoding() for name in files}
            )
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
        record, name = self._records[index], self._record_name(index)
        image, label = record["image"], decode_label(self._label(record, name), len(self.class_names), name)
        if isinstance(image, bytes):
            image = decode_image(image, name)
        image = _checked(image, label, name)
        return {"image": image, "label": label, "name": self._stem(record) or f"{index:08d}"}

    def decoded(self, index: int) -> DecodedExample:
        """See `DecodingSource`."""
        record, name = self._records[index], self._record_name(index)
        image = record["image"]
        label = decode_compact_label(self._label(record, name), len(self.class_names), name)
        if not isinstance(image, bytes):
            return {"image": Image.fromarray(_checked(image, label, name)), "label": label}
        rgb = decode_rgb(image, name)
        _check_image(np.dtype(np.uint8), (rgb.height, rgb.width, 3), label, name)
        return {"image": rgb, "label": label}

    def _record_name(self, index: int) -> str:
        return f"record {index} of {self._split} in {self._root}"

    def _label(self, record: Mapping[str, Any], record_name: str) -> np.ndarray:
        label = record[self._label_feature]
        if isinstance(label, bytes):
            label = decode_raw_label(label, record_name)
        if label.ndim == 3 and label.shape[-1] == 1:
            label = label[..., 0]
        if label.ndim != 2 or label.dtype.kind not in "iu":
            raise UserError(
                f"{record_name} has a label of {label.dtype} {list(label.shape)}, but a label is "
                "integers [H, W] or [H, W, 1]: store class ids in a single channel"
            )
        return label

    def digest(self) -> str:
        """See `digest_files`; of all files of the data set."""
        return digest_files(sorted(path for path in gcs_path(self._folder).iterdir() if path.is_file()))

    def _stem(self, record: Mapping[str, Any]) -> str:
        name = record[self._name_feature] if self._name_feature else b""
        return Path(name.decode() if isinstance(name, bytes) else str(name)).stem


def _checked(image: np.ndarray, label: np.ndarray, record_name: str) -> np.ndarray:
    """The image as RGB."""
    _check_image(image.dtype, image.shape, label, record_name)
    return np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image


def _check_image(dtype: np.dtype, shape: tuple[int, ...], label: np.ndarray, record_name: str) -> None:
    if dtype != np.uint8 or shape not in ((*label.shape, 3), (*label.shape, 1)):
        raise UserError(
            f"{record_name} has an image of {dtype} {list(shape)} and a label of {list(label.shape)}, but "
            "the image must be uint8, RGB or grey, and as large as its label: correct the record"
        )


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
    path = root / "classes.txt"
    if classes_file or path.exists():
        return read_class_names(classes_file or path)
    names = getattr(label, "names", []) if getattr(label, "num_classes", None) else []
    placeholders = [str(index) for index in range(len(names))]  # TFDS sets them if only the count is known
    if not names or list(names) == placeholders:
        raise UserError(
            f"{root} has no class names: write classes.txt there, one name a line, or give a class list"
        )
    return check_class_names(names, f"the label feature of {root}")
