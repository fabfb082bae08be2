"""Tensors of OpenAI's CLIP: names under `visual.` are the image tower, all others the text tower.

OpenCLIP has the same names. CAT-Seg's CLIP has one weight each for q, k and v.
"""

from collections.abc import Iterator

from hclip_jax.config.schema import ClipConfig, ImageTower, TextTower
from hclip_jax.weights.layouts.layout import Part, Tensor

# PyTorch's weights are [out, in] and [out, in, height, width]; ours [in, out] and [height, width, in, out].
LINEAR = (1, 0)
CONVOLUTION = (2, 3, 1, 0)


def clip_tensors(
    clip: ClipConfig, prefix: str = "", fused: bool = True, text_prefix: str = ""
) -> Iterator[Tensor]:
    """All tensors of CLIP, 302 for ViT-B/16.

    Args:
        clip: sizes of the towers.
        prefix: prefix of every PyTorch name.
        fused: whether one tensor holds the weights of q, k and v.
        text_prefix: second prefix of the text tower's names; "text." in OpenCLIP's CustomTextCLIP.
    """
    image, text, embed_dim = clip.image, clip.text, clip.embed_dim
    yield Tensor(f"{prefix}logit_scale", (), (Part("clip/logit_scale"),))

    name, path, width, patch = f"{prefix}visual.", "clip/image/", image.width, image.patch_size
    tokens = 1 + (image.image_size // patch) ** 2
    kernel = Part(f"{path}patch_embedding", axes=CONVOLUTION)
    yield Tensor(f"{name}class_embedding", (width,), (Part(f"{path}class_embedding"),))
    yield Tensor(f"{name}positional_embedding", (tokens, width), (Part(f"{path}position_embedding"),))
    yield Tensor(f"{name}conv1.weight", (width, 3, patch, patch), (kernel,))
    yield from norm(f"{name}ln_pre", f"{path}norm_pre", width)
    yield from norm(f"{name}ln_post", f"{path}norm_post", width)
    yield Tensor(f"{name}proj", (width, embed_dim), (Part(f"{path}projection"),))
    yield from _blocks(f"{name}transformer.resblocks", f"{path}blocks", image, fused)

    name, path, width = f"{prefix}{text_prefix}", "clip/text/", text.width
    yield Tensor(f"{name}token_embedding.weight", (text.vocab_size, width), (Part(f"{path}token_embedding"),))
    yield Tensor(
        f"{name}positional_embedding", (text.context_length, width), (Part(f"{path}position_embedding"),)
    )
    yield from norm(f"{name}ln_final", f"{path}norm_final", width)
    yield Tensor(f"{name}text_projection", (width, embed_dim), (Part(f"{path}projection"),))
    yield from _blocks(f"{name}transformer.resblocks", f"{path}blocks", text, fused)


def is_buffer(name: str) -> bool:
    """Whether a name is no parameter: the sizes in OpenAI's files, the position ids in Hugging Face's."""
    return name in ("input_resolution", "context_length", "vocab_size") or name.endswith(".position_ids")


def linear(
    name: str, path: str, out_dim: int, in_dim: int, target_index: tuple[int, ...] = ()
) -> Iterator[Tensor]:
    """Weight and bias of a linear layer."""
    yield Tensor(f"{name}.weight", (out_dim, in_dim), (Part(f"{path}/kernel", target_index, LINEAR),))
    yield Tensor(f"{name}.bias", (out_dim,), (Part(f"{path}/bias", target_index),))


def norm(name: str, path: str, width: int, target_index: tuple[int, ...] = ()) -> Iterator[Tensor]:
    """Weight and bias of a layer or group normalisation."""
    yield Tensor(f"{name}.weight", (width,), (Part(f"{path}/scale", target_index),))
    yield Tensor(f"{name}.bias", (width,), (Part(f"{path}/bias", target_index),))


def _blocks(name: str, path: str, tower: ImageTower | TextTower, fused: bool) -> Iterator[Tensor]:
    width, hidden_dim = tower.width, round(tower.mlp_ratio * tower.width)
    # A fused tensor holds q, k and v in this order along its output axis.
    rows = {
        f"{path}/attention/{target}": (slice(j * width, (j + 1) * width),)
        for j, target in enumerate(("query", "key", "value"))
    }
    for i in range(tower.num_layers):
        block, layer = f"{name}.{i}.", (i,)
        if fused:
            parts = tuple(Part(f"{target}/kernel", layer, LINEAR, index) for target, index in rows.items())
            yield Tensor(f"{block}attn.in_proj_weight", (3 * width, width), parts)
        else:
            for target, letter in zip(rows, "qkv", strict=True):
                part = Part(f"{target}/kernel", layer, LINEAR)
                yield Tensor(f"{block}attn.{letter}_proj_weight", (width, width), (part,))
        parts = tuple(Part(f"{target}/bias", layer, None, index) for target, index in rows.items())
        yield Tensor(f"{block}attn.in_proj_bias", (3 * width,), parts)
        yield from linear(f"{block}attn.out_proj", f"{path}/attention/out", width, width, layer)
        yield from norm(f"{block}ln_1", f"{path}/norm1", width, layer)
        yield from norm(f"{block}ln_2", f"{path}/norm2", width, layer)
        yield from linear(f"{block}mlp.c_fc", f"{path}/fc1", hidden_dim, width, layer)
        yield from linear(f"{block}mlp.c_proj", f"{path}/fc2", width, hidden_dim, layer)
