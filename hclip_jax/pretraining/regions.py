"""Built-in scenes, the thing that each patch shows, and phrases that name these things."""

import functools
from typing import TypedDict

import grain
import numpy as np
from PIL import Image

from hclip_jax.config.schema import ImageTower
from hclip_jax.data.loader import TrainBatches
from hclip_jax.data.scenes.drawing import draw
from hclip_jax.data.scenes.label_sets import COMPOSITIONS
from hclip_jax.data.scenes.phrases import NUM_THINGS, phrase
from hclip_jax.text import tokenizer

PHRASES_PER_IMAGE = 4
MIXED = -1
"""The thing of a patch that no thing covers by more than half."""

_NUM_TRAIN_SCENES = 1_000_000  # more than any training draws: no scene is repeated
_SPLITS = ("train", "test")
_SEED = 7  # other scenes than those with pixel labels
_SHORT_EDGE, _LONGEST_EDGE = (160, 224), 320  # as those with pixel labels
_MIN_COVER = 0.55  # of a patch
_MIN_ZOOM, _MAX_ASPECT = 0.55, 1.5
_MAX_TOKENS = 20  # of a phrase in its template
_TEMPLATES = ("{}", "a {}", "a photo of a {}", "a photo of a {}", "a photo of a {} in the scene")


class Regions(TypedDict):
    """An image of h x w patches and P phrases; batches have a leading axis B.

    Attributes:
        image: uint8 [H, W, 3].
        things: int32 [h, w], what each patch shows: an index into STUFF + THINGS, or MIXED.
        tokens: int32 [P, N].
        named: float32 [P, NUM_THINGS], 1 for the things that a phrase is true of.
    """

    image: np.ndarray
    things: np.ndarray
    tokens: np.ndarray
    named: np.ndarray


class RegionScenes:
    """Scenes of a split, drawn on demand: image uint8 [H, W, 3] and things int32 [H, W] of any size."""

    def __init__(self, split: str, num_scenes: int) -> None:
        """Selects the split, "train" or "test"; all of them show all compositions."""
        self._split, self._num_scenes = split, num_scenes

    def __len__(self) -> int:
        return self._num_scenes

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng((_SEED, _SPLITS.index(self._split), index))
        short = int(rng.integers(*_SHORT_EDGE, endpoint=True))
        long = int(rng.integers(short, _LONGEST_EDGE, endpoint=True))
        height, width = (short, long) if rng.random() < 0.75 else (long, short)
        return draw(height, width, COMPOSITIONS, rng)


def train_regions(*, batch_size: int, tower: ImageTower, seed: int, num_workers: int) -> TrainBatches:
    """Makes endless batches of the train split, with random crops, flips and phrases."""
    scenes = grain.MapDataset.source(RegionScenes("train", _NUM_TRAIN_SCENES))
    regions = scenes.seed(seed).shuffle().random_map(functools.partial(_make_regions, tower=tower))
    return TrainBatches(regions.batch(batch_size, drop_remainder=True), num_workers)


def eval_regions(num_images: int, tower: ImageTower) -> tuple[np.ndarray, np.ndarray]:
    """The first whole scenes of the test split: images uint8 [B, H, W, 3] and things int32 [B, h, w]."""
    scenes = RegionScenes("test", num_images)
    pairs = [
        _resized(image, things, (0, 0, *things.shape[::-1]), tower)
        for image, things in (scenes[i] for i in range(num_images))
    ]
    return np.stack([image for image, _ in pairs]), np.stack([things for _, things in pairs])


def _make_regions(
    scene: tuple[np.ndarray, np.ndarray], rng: np.random.Generator, tower: ImageTower
) -> Regions:
    image, things = _resized(*scene, _random_box(scene[1].shape, rng), tower)
    if rng.random() < 0.5:
        image, things = image[:, ::-1], things[:, ::-1]
    visible = np.unique(things[things != MIXED])
    chosen = rng.choice(visible, PHRASES_PER_IMAGE, replace=len(visible) < PHRASES_PER_IMAGE)
    phrases, named = zip(*(phrase(int(thing), rng) for thing in chosen), strict=True)
    texts = [_TEMPLATES[rng.integers(len(_TEMPLATES))].replace("{}", text) for text in phrases]
    return {
        "image": np.ascontiguousarray(image),
        "things": np.ascontiguousarray(things),
        "tokens": tokenizer.tokenize(texts, _MAX_TOKENS),
        "named": np.stack(named).astype(np.float32),
    }


def _random_box(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[int, int, int, int]:
    """A crop (left, top, right, bottom); it is made square, so wide ones teach narrow patterns."""
    height, width = shape
    zoom = rng.uniform(_MIN_ZOOM, 1)
    h = int(zoom * height)
    w = min(width, int(h * rng.uniform(1, _MAX_ASPECT))) if rng.random() < 0.7 else int(zoom * width)
    top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
    return left, top, left + w, top + h


def _resized(
    image: np.ndarray, things: np.ndarray, box: tuple[int, int, int, int], tower: ImageTower
) -> tuple[np.ndarray, np.ndarray]:
    """The box at the tower's size, uint8 [H, W, 3], and the thing of each patch, int32 [h, w]."""
    size = (tower.image_size, tower.image_size)
    pixels = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, box=box)
    ids = np.asarray(Image.fromarray(things).resize(size, Image.Resampling.NEAREST, box=box))
    p = tower.patch_size
    grid = tower.image_size // p
    patches = ids.reshape(grid, p, grid, p).swapaxes(1, 2).reshape(grid**2, p * p)
    rows = np.arange(grid**2)[:, None] * NUM_THINGS
    counts = np.bincount((rows + patches).ravel(), minlength=grid**2 * NUM_THINGS).reshape(grid**2, -1)
    covers = counts.max(axis=1) >= _MIN_COVER * p * p
    shown = np.where(covers, counts.argmax(axis=1), MIXED).astype(np.int32)
    return np.asarray(pixels), shown.reshape(grid, grid)
