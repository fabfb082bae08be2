from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data.label_io import decode_compact_label, decode_label, read_label_size, widen_label
from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError
from tests.labelled_folder import read_label


def saved(path: Path, image: Image.Image) -> Path:
    image.save(path)
    return path


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_largest_value_of_a_label_is_ignore(tmp_path: Path, dtype: type[np.unsignedinteger]) -> None:
    ignore = np.iinfo(dtype).max
    label = np.array([[0, 1, 2], [ignore, 99, 0]], dtype)
    path = saved(tmp_path / "label.png", Image.fromarray(label))
    result = read_label(path, 100)
    assert result.dtype == np.int32
    np.testing.assert_array_equal(result, [[0, 1, 2], [IGNORE, 99, 0]])
    assert read_label_size(path) == (2, 3)


def test_255_is_a_class_with_16_bits(tmp_path: Path) -> None:
    path = saved(tmp_path / "label.png", Image.fromarray(np.array([[255, 256]], np.uint16)))
    np.testing.assert_array_equal(read_label(path, 847), [[255, 256]])


def test_palette_indices_are_class_ids(tmp_path: Path) -> None:
    label = Image.fromarray(np.array([[0, 1, 255]], np.uint8))
    label.putpalette(np.random.default_rng(0).integers(0, 256, 768).tolist())
    np.testing.assert_array_equal(read_label(saved(tmp_path / "p.png", label), 2), [[0, 1, IGNORE]])


def test_label_with_1_bit(tmp_path: Path) -> None:
    path = saved(tmp_path / "one.png", Image.fromarray(np.array([[False, True]])))
    np.testing.assert_array_equal(read_label(path, 2), [[0, 1]])


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_label_with_colour_channels_is_refused(tmp_path: Path, mode: str) -> None:
    path = saved(tmp_path / "colours.png", Image.new(mode, (4, 3)))
    for read in (lambda: read_label(path, 5), lambda: read_label_size(path)):
        with pytest.raises(UserError, match=rf"colours\.png has the mode {mode}, .*single channel"):
            read()


def test_a_jpeg_is_refused_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "label.png"
    Image.fromarray(np.eye(16, dtype=np.uint8)).save(path, "JPEG")  # reads as zeros alone
    for read in (lambda: read_label(path, 5), lambda: read_label_size(path)):
        with pytest.raises(UserError, match=r"label\.png is a JPEG, .*as PNG"):
            read()


def test_invalid_ids_are_listed(tmp_path: Path) -> None:
    label = np.array([[0, 254, 255, 19, 20]], np.uint8)
    path = saved(tmp_path / "label.png", Image.fromarray(label))
    with pytest.raises(UserError, match=r"label\.png holds the class ids 19, 20, 254, .* 19 class"):
        read_label(path, 19)
    assert read_label(path, 255).tolist() == [[0, 254, IGNORE, 19, 20]]


@pytest.mark.parametrize(("num_classes", "compact"), [(7, np.uint8), (255, np.uint8), (256, np.int32)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64])
def test_compact_labels_hold_the_same_ids(num_classes: int, compact: type, dtype: type[np.integer]) -> None:
    ignore = 255 if dtype == np.uint8 else 65535
    largest = min(num_classes - 1, 254)
    raw = np.array([[0, 6, ignore], [largest, ignore, 1]], dtype)
    label = decode_compact_label(raw, num_classes, "label.png")
    assert label.dtype == compact
    wide = widen_label(label)
    assert wide.dtype == np.int32
    np.testing.assert_array_equal(wide, decode_label(raw, num_classes, "label.png"))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_compact_labels_are_checked(dtype: type[np.unsignedinteger]) -> None:
    with pytest.raises(UserError, match=r"label\.png holds the class id 19, .* 19 class"):
        decode_compact_label(np.array([[0, 19]], dtype), 19, "label.png")


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint16])
def test_only_labels_of_one_byte_are_widened(dtype: type[np.integer]) -> None:
    label = np.array([[0, 255, 256]], dtype)
    np.testing.assert_array_equal(widen_label(label), label)
