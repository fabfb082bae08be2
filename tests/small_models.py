"""The two small models of the tests."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import jax
import numpy as np
from flax.traverse_util import unflatten_dict
from ml_collections import ConfigDict

from hclip_jax.config.adapters import HClipConfig
from hclip_jax.config.overrides import switch_method
from hclip_jax.config.schema import Config
from hclip_jax.config.validate import from_config_dict, from_dict
from hclip_jax.configs import vitb
from hclip_jax.models.params import Params
from hclip_jax.text.prompts import Prompts, make_prompts
from hclip_jax.weights.checkpoint import PARTS, param_shapes
from hclip_jax.weights.layouts import layout
from hclip_jax.weights.layouts.hclip import hclip_tensors
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
    c.clip.embed_dim = 32
    c.clip.image.update(width=96, num_heads=1)
    c.clip.text.update(width=64, num_heads=1)
    c.adapters.block_size = 16
    c.head.update(hidden_dim=32, guidance_dim=16, decoder_dims=(32, 16), decoder_guidance_proj_dims=(16, 8))
    c.model.tower_remat_policy = c.model.head_remat_policy = "none"
    c.data.root = "scenes"
    c.evaluation.suite = ""
    return c


def micro_dict() -> ConfigDict:
    """The smallest that has every part: seconds to compile, milliseconds a step."""
    c = mini_dict()
    c.clip.image.update(num_layers=3, width=16, num_heads=2, patch_size=8, image_size=24)
    c.clip.text.update(num_layers=2, width=16, num_heads=2)
    c.clip.embed_dim = 16
    c.adapters.block_size = 8
    c.head.update(
        hidden_dim=8, num_layers=1, num_heads=2, window_size=2, guidance_dim=8, guidance_layers=(1, 2)
    )
    c.head.update(decoder_dims=(8, 4), decoder_guidance_dims=(8, 8), decoder_guidance_proj_dims=(4, 4))
    c.model.image_size = 32
    c.data.update(crop_size=32, num_workers=0, label_set="shapes")
    c.train.update(num_train_steps=4, batch_size=8, learning_rate=1e-2, max_grad_norm=1.0, log_every=1)
    c.train.update(checkpoint_every=2, evaluate_every=0)
    c.evaluation.update(shortest_edge=32, longest_edge=64, canvas_size=48, stride=16, num_overlays=1)
    c.evaluation.num_images = 3
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
    tree = micro_dict().to_dict()
    if "method" in adapters:
        tree["adapters"] = switch_method(tree["adapters"], adapters["method"])
    tree["adapters"] |= adapters
    return from_dict(tree)


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
        "image": tower(clip.image.num_layers, clip.image.width),
        "text": tower(clip.text.num_layers, clip.text.width),
        "logit_scale": normal(()),
    }


@cache
def mini_params(salt: int = 0) -> Params:
    """The weights that the published code was given in the parity cases, in our tree."""
    config = mini()
    tensors = list(hclip_tensors(config.architecture))
    assert isinstance(config.adapters, HClipConfig)
    text_blocks = config.clip.text.width // config.adapters.block_size
    file = {t.name: recipe.param(t.name, t.shape, text_blocks, salt) for t in tensors}
    layout.check(tensors, file, "the recipe")
    shapes = param_shapes(config.clip, config.architecture, frozenset(PARTS))
    params = layout.read(tensors, file, shapes, "the recipe")
    return unflatten_dict({path: np.asarray(x, np.float32) for path, x in params.items()}, sep="/")


def channels_last(x: np.ndarray) -> np.ndarray:
    """[B, C, H, W] as PyTorch has it -> [B, H, W, C]."""
    return x.transpose(0, 2, 3, 1)


def prompts_of(class_names: Sequence[str]) -> Prompts:
    """The published prompts of class names."""
    return make_prompts(class_names, vitb.get_config().prompts.templates, "first", 77)
