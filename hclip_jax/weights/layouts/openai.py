"""The tensors of OpenAI's CLIP: `visual.*` is the image tower, the rest the text tower.

OpenCLIP's are the same; CAT-Seg's CLIP keeps the weights of q, k and v apart.
"""

from collections.abc import Iterator

from hclip_jax.config.schema import ClipConfig, ImageTower, TextTower
from hclip_jax.weights.layouts.layout import Part, Tensor

# PyTorch's weights are [out, in] and [out, in, height, width]; ours the other way round.
LINEAR = (1, 0)
CONVOLUTION = (2, 3, 1, 0)


def clip_tensors(
    clip: ClipConfig, prefix: str = "", fused: bool = True, text_prefix: str = ""
) -> Iterator[Tensor]:
    """All tensors of CLIP, 302 for ViT-B/16.

    Args:
        clip: sizes of the towers.
        prefix: what stands before each PyTorch name.
        fused: whether the weights of q, k and v lie in one tensor.
        text_prefix: what further stands before those of the text tower ("text." in some of OpenCLIP's).
    """
    image, text, embed = clip.image, clip.text, clip.embed_dim
    width, p = image.width, image.patch_size
    visual, i, t = f"{prefix}visual.", "clip/image/", "clip/text/"

    yield Tensor(f"{prefix}logit_scale", (), (Part("clip/logit_scale"),))
    yield Tensor(f"{visual}class_embedding", (width,), (Part(f"{i}class_embedding"),))
    yield Tensor(
        f"{visual}positional_embedding",
        (1 + (image.image_size // p) ** 2, width),
        (Part(f"{i}position_embedding"),),
    )
    yield Tensor(f"{visual}conv1.weight", (width, 3, p, p), (Part(f"{i}patch_embedding", axes=CONVOLUTION),))
    yield from norm(f"{visual}ln_pre", f"{i}norm_pre", width)
    yield from norm(f"{visual}ln_post", f"{i}norm_post", width)
    yield Tensor(f"{visual}proj", (width, embed), (Part(f"{i}projection"),))
    yield from _blocks(f"{visual}transformer.resblocks", f"{i}blocks", image, fused)

    width, prefix = text.width, f"{prefix}{text_prefix}"
    yield Tensor(f"{prefix}token_embedding.weight", (text.vocab_size, width), (Part(f"{t}token_embedding"),))
    yield Tensor(
        f"{prefix}positional_embedding", (text.context_length, width), (Part(f"{t}position_embedding"),)
    )
    yield from norm(f"{prefix}ln_final", f"{t}norm_final", width)
    yield Tensor(f"{prefix}text_projection", (width, embed), (Part(f"{t}projection"),))
    yield from _blocks(f"{prefix}transformer.resblocks", f"{t}blocks", text, fused)


def leftover(name: str) -> bool:
    """Names that hold nothing learnt: sizes in OpenAI's files, positions' numbers in Hugging Face's."""
    return name in ("input_resolution", "context_length", "vocab_size") or name.endswith(".position_ids")


def linear(name: str, leaf: str, out: int, into: int, at: tuple = ()) -> Iterator[Tensor]:
    """Weight and bias of a dense layer."""
    yield Tensor(f"{name}.weight", (out, into), (Part(f"{leaf}/kernel", at, LINEAR),))
    yield Tensor(f"{name}.bias", (out,), (Part(f"{leaf}/bias", at),))


def norm(name: str, leaf: str, width: int, at: tuple = ()) -> Iterator[Tensor]:
    """Weight and bias of a layer or group normalisation."""
    yield Tensor(f"{name}.weight", (width,), (Part(f"{leaf}/scale", at),))
    yield Tensor(f"{name}.bias", (width,), (Part(f"{leaf}/bias", at),))


def _blocks(name: str, leaf: str, tower: ImageTower | TextTower, fused: bool) -> Iterator[Tensor]:
    width, hidden = tower.width, round(tower.mlp_ratio * tower.width)
    for layer in range(tower.num_layers):
        block, at = f"{name}.{layer}", (layer,)
        # q, k and v lie in one tensor, in this order, along the output axis.
        third = {
            f"{leaf}/attention/{kind}": (slice(j * width, (j + 1) * width),)
            for j, kind in enumerate(("query", "key", "value"))
        }
        if fused:
            parts = tuple(Part(f"{kind}/kernel", at, LINEAR, rows) for kind, rows in third.items())
            yield Tensor(f"{block}.attn.in_proj_weight", (3 * width, width), parts)
        else:
            for kind, short in zip(third, "qkv", strict=True):
                part = Part(f"{kind}/kernel", at, LINEAR)
                yield Tensor(f"{block}.attn.{short}_proj_weight", (width, width), (part,))
        yield Tensor(
            f"{block}.attn.in_proj_bias",
            (3 * width,),
            tuple(Part(f"{kind}/bias", at, None, rows) for kind, rows in third.items()),
        )
        yield from linear(f"{block}.attn.out_proj", f"{leaf}/attention/out", width, width, at)
        yield from norm(f"{block}.ln_1", f"{leaf}/norm1", width, at)
        yield from norm(f"{block}.ln_2", f"{leaf}/norm2", width, at)
        yield from linear(f"{block}.mlp.c_fc", f"{leaf}/fc1", hidden, width, at)
        yield from linear(f"{block}.mlp.c_proj", f"{leaf}/fc2", width, hidden, at)
