"""The two small models of the tests."""

from functools import cache
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from configs import vitb
from hclip_jax.config.schema import Config
from hclip_jax.config.validate import from_config_dict
from hclip_jax.models.hclip import Model, Params
from hclip_jax.weights.layouts.hclip import hclip_tensors
from hclip_jax.weights.layouts.layout import read
from tests.parity import recipe

MINI_CLASSES = (
    "person",
    "traffic light",
    "sky, clouds",
    "grass",
    "wall-other",
    "road, street, highway",
    "cat",
)


def mini_dict() -> ConfigDict:
    """ViT-B's shape with narrow layers: the model of the parity cases."""
    c = vitb.get_config()
    c.clip.weights = "random"
    c.clip.embed = 32
    c.clip.image.update(width=96, heads=1)
    c.clip.text.update(width=64, heads=1)
    c.adapters.block = 16
    c.head.update(hidden=32, guidance=16, decoder=(32, 16), decoder_guidance_projection=(16, 8))
    c.model.keep_towers = c.model.keep_head = "everything"
    c.data.root = "scenes"
    return c


def micro_dict() -> ConfigDict:
    """The smallest that has every part: seconds to compile, milliseconds a step."""
    c = mini_dict()
    c.clip.image.update(layers=3, width=16, heads=2, patch=8, resolution=24)
    c.clip.text.update(layers=2, width=16, heads=2)
    c.clip.embed = 16
    c.adapters.block = 8
    c.head.update(hidden=8, layers=1, heads=2, window=2, guidance=8, guidance_blocks=(1, 2))
    c.head.update(decoder=(8, 4), decoder_guidance=(8, 8), decoder_guidance_projection=(4, 4))
    c.model.resolution = 32
    c.data.update(crop=32, workers=0, vocabulary="shapes")
    c.train.update(steps=4, batch=8, learning_rate=1e-2, clip_norm=1.0, log_every=1)
    c.train.update(checkpoint_every=2, evaluate_every=0)
    c.evaluation.update(short_side=32, longest_side=64, canvas=48, stride=16, overlays=1)
    c.evaluation.pictures = 3
    return c


def mini() -> Config:
    return from_config_dict(mini_dict())


def micro(**train: Any) -> Config:
    """The micro configuration with fields of `train` changed."""
    c = micro_dict()
    c.train.update(train)
    return from_config_dict(c)


def micro_tuned(**adapters: Any) -> Config:
    """The micro configuration with fields of `adapters` changed."""
    c = micro_dict()
    c.adapters.update(adapters)
    return from_config_dict(c)


def attention_alone(seed: int = 0) -> Params:
    """What tuning methods see of the micro model's CLIP, at random, without the rest."""
    clip, rng = micro().clip, np.random.default_rng(seed)

    def tower(layers: int, width: int) -> Params:
        dense = {"kernel": (layers, width, width), "bias": (layers, width)}
        shapes = {
            "attention": dict.fromkeys(("query", "key", "value", "out"), dense),
            "norm1": {"scale": (layers, width)},
        }
        return {"blocks": jax.tree.map(normal, shapes, is_leaf=lambda x: isinstance(x, tuple))}

    def normal(shape: tuple[int, ...]) -> jax.Array:
        return jax.numpy.asarray(rng.standard_normal(shape, np.float32))

    return {
        "image": tower(clip.image.layers, clip.image.width),
        "text": tower(clip.text.layers, clip.text.width),
        "logit_scale": normal(()),
    }


@cache
def mini_params(salt: int = 0) -> Params:
    """The weights that the published code was given in the parity cases, in our tree."""
    config = mini()
    tensors = list(hclip_tensors(config))
    text_blocks = config.clip.text.width // config.adapters.block
    file = {t.name: recipe.param(t.name, t.shape, text_blocks, salt) for t in tensors}
    like = jax.eval_shape(Model(config).init, jax.random.key(0))
    return read(tensors, file, like, "the recipe")


def channels_last(x: np.ndarray) -> np.ndarray:
    """[B, C, H, W] as PyTorch has it -> [B, H, W, C]."""
    return x.transpose(0, 2, 3, 1)
