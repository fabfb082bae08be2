"""Pictures of the built-in world and captions, in endless batches."""

import functools
from typing import TypedDict

import grain
import numpy as np

from hclip_jax.data.loader import TrainingBatches
from hclip_jax.data.scenes.captions import Captioned, caption, captioned_scene, full_caption
from hclip_jax.text import tokenizer

_EPOCH = 1_000_000  # more scenes than any training sees: none comes twice


class CaptionedScenes:
    """Captioned scenes of a split at `side` pixels, drawn on demand."""

    def __init__(self, split: str, count: int, side: int) -> None:
        self._split, self._count, self._side = split, count, side

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Captioned:
        return captioned_scene(self._split, index, self._side)


class Pair(TypedDict):
    """image uint8 [side, side, 3] and tokens int32 [context]; in batches with a leading B."""

    image: np.ndarray
    tokens: np.ndarray


def training_pairs(*, batch: int, side: int, context: int, seed: int, num_workers: int) -> TrainingBatches:
    """Endless batches of pairs of the train split, each caption a random account of its picture."""
    scenes = grain.MapDataset.source(CaptionedScenes("train", _EPOCH, side)).seed(seed).shuffle()
    pairs = scenes.random_map(functools.partial(_tell, context=context))
    return TrainingBatches(pairs.batch(batch, drop_remainder=True), num_workers)


def test_pairs(count: int, side: int, context: int) -> Pair:
    """The first `count` pictures of the test split with their full captions."""
    scenes = CaptionedScenes("test", count, side)
    examples = [scenes[index] for index in range(count)]
    captions = [full_caption(example["things"]) for example in examples]
    return {
        "image": np.stack([example["image"] for example in examples]),
        "tokens": tokenizer.tokenize(captions, context),
    }


def _tell(scene: Captioned, rng: np.random.Generator, context: int) -> Pair:
    (tokens,) = tokenizer.tokenize([caption(scene["things"], rng)], context)
    image = scene["image"][:, ::-1] if rng.random() < 0.5 else scene["image"]
    return {"image": np.ascontiguousarray(image), "tokens": tokens}
