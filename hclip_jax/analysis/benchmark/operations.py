"""Single operations of `hclip_jax/ops` with their gradient, at the sizes of a chunk of classes of a step."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hclip_jax.analysis.benchmark.cases import Case
from hclip_jax.analysis.benchmark.flops import count_flops
from hclip_jax.config.schema import Config
from hclip_jax.ops.activations import gelu
from hclip_jax.ops.attention import attend
from hclip_jax.ops.conv import conv2d, conv2d_transpose
from hclip_jax.ops.dense import add_bias, matmul
from hclip_jax.ops.normalization import group_norm, layer_norm
from hclip_jax.ops.roll import roll

_GROUP_CHANNELS = 16


def _gelu(config: Config, num_classes: int) -> Case:
    n, grid, channels = _sizes(config, num_classes)
    return _gradient(gelu, config.model.head_dtype, (n * grid**2, 4 * channels))


def _layer_norm(config: Config, num_classes: int) -> Case:
    n, grid, channels = _sizes(config, num_classes)
    return _gradient(layer_norm, "float32", (n * grid**2, channels), (channels,), (channels,))


def _group_norm(config: Config, num_classes: int) -> Case:
    n, grid, _ = _sizes(config, num_classes)
    channels = config.head.decoder_dims[0]
    num_groups = max(1, channels // _GROUP_CHANNELS)
    normalize = lambda x, scale, bias: group_norm(x, scale, bias, num_groups)  # noqa: E731
    return _gradient(normalize, "float32", (n, 4 * grid**2, channels), (channels,), (channels,))


def _dense(config: Config, num_classes: int) -> Case:
    n, grid, channels = _sizes(config, num_classes)
    shapes = (n * grid**2, channels), (channels, 4 * channels), (4 * channels,)
    return _gradient(
        lambda x, kernel, bias: add_bias(matmul(x, kernel), bias), config.model.head_dtype, *shapes
    )


def _roll(config: Config, num_classes: int) -> Case:
    n, grid, channels = _sizes(config, num_classes)
    shift = max(1, config.head.window_size // 2)
    return _gradient(lambda x: roll(x, shift), config.model.head_dtype, (1, n, grid, grid, channels))


def _window_attention(config: Config, num_classes: int) -> Case:
    n, grid, channels = _sizes(config, num_classes)
    size, heads = min(config.head.window_size, grid), config.head.num_heads
    shape = (n, (grid // size) ** 2, size**2, heads, channels // heads)
    return _gradient(attend, config.model.head_dtype, *[shape] * 3)


def _conv(config: Config, num_classes: int) -> Case:
    n, grid, _ = _sizes(config, num_classes)
    channels = config.head.decoder_dims[0]
    shapes = (n, 2 * grid, 2 * grid, channels), (3, 3, channels, channels)
    return _gradient(conv2d, config.model.head_dtype, *shapes)


def _conv_transpose(config: Config, num_classes: int) -> Case:
    n, grid, channels = _sizes(config, num_classes)
    shapes = (n, grid, grid, channels), (4, 4, channels, config.head.decoder_dims[0])
    return _gradient(conv2d_transpose, config.model.head_dtype, *shapes)


def _image_attention(config: Config, num_classes: int) -> Case:
    del num_classes
    return _gradient(attend, config.model.dtype, *[_image_attention_shape(config)] * 3)


def _cudnn_attention(config: Config, num_classes: int) -> Case:
    del num_classes
    attention = lambda *qkv: jax.nn.dot_product_attention(*qkv, implementation="cudnn")  # noqa: E731
    return _gradient(attention, config.model.dtype, *[_image_attention_shape(config)] * 3)


def _image_attention_shape(config: Config) -> tuple[int, ...]:
    tower = config.clip.image
    num_tokens = 1 + (config.model.image_size // tower.patch_size) ** 2
    return config.train.batch_size, num_tokens, tower.num_heads, tower.width // tower.num_heads


def _sizes(config: Config, num_classes: int) -> tuple[int, int, int]:
    """(n, grid, C): n maps of grid x grid patches with C channels, for each image and class of a chunk."""
    num_chunked = min(num_classes, config.model.class_chunk_size)
    grid = config.model.image_size // config.clip.image.patch_size
    return config.train.batch_size * num_chunked, grid, config.head.hidden_dim


def _gradient(operation: Callable[..., Array], dtype: str, *shapes: tuple[int, ...]) -> Case:
    """The operation of random arrays, and its gradient with respect to all of them."""
    rng = np.random.default_rng(0)
    arrays = [jnp.asarray(rng.standard_normal(shape, np.float32), dtype) for shape in shapes]

    @jax.jit
    def forward_backward(*arrays: Array) -> Any:
        y, vjp = jax.vjp(operation, *arrays)
        return y, vjp(y)  # any cotangent takes the same time

    return Case(lambda: forward_backward(*arrays), count_flops(forward_backward, *arrays))


BUILDERS: dict[str, Callable[[Config, int], Case]] = {
    "gelu": _gelu,
    "layer-norm": _layer_norm,
    "group-norm": _group_norm,
    "dense": _dense,
    "roll": _roll,
    "window-attention": _window_attention,
    "conv": _conv,
    "conv-transpose": _conv_transpose,
    "image-attention": _image_attention,
    "cudnn-attention": _cudnn_attention,
}
"""(configuration, number of classes) -> case, for each name of `jobs.OPERATIONS`."""
