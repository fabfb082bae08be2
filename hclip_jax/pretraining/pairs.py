"""Pairs of a built-in scene and a tokenized caption."""

import functools
from typing import TypedDict

import grain
import numpy as np

from hclip_jax.data.loader import TrainBatches
from hclip_jax.data.scenes.captions import CaptionedScene, caption, captioned_scene, full_caption
from hclip_jax.text import tokenizer

_NUM_TRAIN_SCENES = 1_000_000  # more than any training draws: no scene is repeated


class CaptionedScenes:
    """Captioned scenes of a split, drawn on demand."""

    def __init__(self, split: str, num_scenes: int, image_size: int) -> None:
        self._split, self._num_scenes, self._image_size = split, num_scenes, image_size

    def __len__(self) -> int:
        return self._num_scenes

    def __getitem__(self, index: int) -> CaptionedScene:
        return captioned_scene(self._split, index, self._image_size)


class Pair(TypedDict):
    """An image and its caption; batches have a leading axis B.

    Attributes:
        image: uint8 [image_size, image_size, 3].
        tokens: int32 [context_length].
    """

    image: np.ndarray
    tokens: np.ndarray


def train_pairs(
    *, batch_size: int, image_size: int, context_length: int, seed: int, num_workers: int
) -> TrainBatches:
    """Makes endless batches of pairs of the train split, with random captions and random flips."""
    scenes = grain.MapDataset.source(CaptionedScenes("train", _NUM_TRAIN_SCENES, image_size))
    pairs = (
        scenes.seed(seed).shuffle().random_map(functools.partial(_make_pair, context_length=context_length))
    )
    return TrainBatches(pairs.batch(batch_size, drop_remainder=True), num_workers)


def eval_pairs(num_images: int, image_size: int, context_length: int) -> Pair:
    """The first `num_images` scenes of the test split with their full captions, as one batch."""
    scenes = CaptionedScenes("test", num_images, image_size)
    examples = [scenes[index] for index in range(num_images)]
    captions = [full_caption(example["things"]) for example in examples]
    return {
        "image": np.stack([example["image"] for example in examples]),
        "tokens": tokenizer.tokenize(captions, context_length),
    }


def _make_pair(scene: CaptionedScene, rng: np.random.Generator, context_length: int) -> Pair:
    (tokens,) = tokenizer.tokenize([caption(scene["things"], rng)], context_length)
    image = scene["image"][:, ::-1] if rng.random() < 0.5 else scene["image"]
    return {"image": np.ascontiguousarray(image), "tokens": tokens}
