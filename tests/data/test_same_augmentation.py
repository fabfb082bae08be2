"""The augmentation is that of a plain form, which follows the published one step by step, bit for bit."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data.folder import FolderSource
from hclip_jax.data.label_io import widen_label
from hclip_jax.data.loader import train_batches
from hclip_jax.data.transforms import _resized_shape, augment
from hclip_jax.data.types import IGNORE, DecodedExample, Example


def plain_augment(example: Example, rng: np.random.Generator, crop_size: int) -> dict[str, np.ndarray]:
    """Resizes the whole image, then crops, jitters, flips and pads it; Pillow converts to HSV and back."""
    height, width = _resized_shape(example["label"].shape, crop_size, 1333)
    top, left = (int(rng.integers(max(size - crop_size, 0) + 1)) for size in (height, width))
    box = (left, top, min(left + crop_size, width), min(top + crop_size, height))
    resized = Image.fromarray(example["image"]).resize((width, height), Image.Resampling.BILINEAR)
    resized_label = Image.fromarray(example["label"]).resize((width, height), Image.Resampling.NEAREST)
    image = np.asarray(plain_jitter(resized.crop(box), rng))
    label = np.asarray(resized_label.crop(box))
    if rng.random() < 0.5:
        image, label = image[:, ::-1], label[:, ::-1]
    padding = ((0, crop_size - label.shape[0]), (0, crop_size - label.shape[1]))
    return {
        "image": np.pad(image, (*padding, (0, 0)), constant_values=128),
        "label": np.pad(label, padding, constant_values=IGNORE),
    }


def plain_jitter(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    def linear(gain: float, offset: float) -> list[int]:
        return np.clip(np.arange(256) * gain + offset, 0, 255).astype(np.uint8).tolist()

    if rng.random() < 0.5:
        image = image.point(linear(1.0, rng.uniform(-32, 32)) * 3)
    contrast = linear(rng.uniform(0.5, 1.5), 0.0) * 3 if rng.random() < 0.5 else None
    contrast_first = rng.random() < 0.5
    if contrast and contrast_first:
        image = image.point(contrast)
    saturation = rng.uniform(0.5, 1.5) if rng.random() < 0.5 else 1.0
    hue = int(rng.integers(-18, 19)) if rng.random() < 0.5 else 0
    if saturation != 1.0 or hue:
        hues = [round(value + hue * 255 / 180) % 255 for value in range(256)]
        table = [*hues, *linear(saturation, 0.0), *range(256)]
        image = image.convert("HSV").point(table).convert("RGB")
    return image.point(contrast) if contrast and not contrast_first else image


def noise(height: int, width: int) -> Example:
    rng = np.random.default_rng(height * width)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    return {"image": image, "label": rng.integers(-1, 171, (height, width), np.int32), "name": ""}


@pytest.mark.parametrize(
    ("shape", "crop_size"),
    [((48, 64), 38), ((64, 48), 38), ((60, 80), 60), ((37, 53), 64), ((200, 130), 32), ((20, 900), 64)],
)
def test_every_step_is_that_of_the_plain_form(shape: tuple[int, int], crop_size: int) -> None:
    example = noise(*shape)
    image = Image.fromarray(example["image"])
    decoded: DecodedExample = {"image": image, "label": example["label"]}
    compact: DecodedExample = {"image": image, "label": example["label"].astype(np.uint8)}  # -1 becomes 255
    for seed in range(40):
        expected = plain_augment(example, np.random.default_rng(seed), crop_size)
        for given in (example, decoded, compact):
            result = augment(given, np.random.default_rng(seed), crop_size)
            assert result["label"].dtype == given["label"].dtype
            result["label"] = widen_label(result["label"])
            for key, value in expected.items():
                assert result[key].dtype == value.dtype
                np.testing.assert_array_equal(result[key], value)


@pytest.mark.parametrize(
    ("num_classes", "dtype"), [(3, np.uint8), (255, np.uint16), (256, np.uint8), (300, np.uint16)]
)
def test_files_are_augmented_as_their_arrays(
    folder: Path, num_classes: int, dtype: type[np.unsignedinteger]
) -> None:
    (folder / "classes.txt").write_text("".join(f"class {t}\n" for t in range(num_classes)))
    ids = np.array([0, 2, num_classes - 1, np.iinfo(dtype).max]).astype(dtype)
    for path in (folder / "labels/train").iterdir():
        shape = np.asarray(Image.open(path)).shape
        Image.fromarray(np.random.default_rng(0).choice(ids, shape)).save(path)
    source = FolderSource(folder, "train")
    batches = train_batches(source, batch_size=4, crop_size=16, seed=3, num_workers=0)
    arrays = train_batches(_OnlyArrays(source), batch_size=4, crop_size=16, seed=3, num_workers=0)
    for _ in range(6):
        batch, expected = next(batches), next(arrays)
        for key in ("image", "label"):
            assert batch[key].dtype == expected[key].dtype
            np.testing.assert_array_equal(batch[key], expected[key])
    batches.close()
    arrays.close()


class _OnlyArrays:
    """A source without `decoded`."""

    def __init__(self, source: FolderSource) -> None:
        self._source, self.class_names = source, source.class_names

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Example:
        return self._source[index]

    def digest(self) -> str:
        return self._source.digest()
