"""The tensors of Hugging Face's CLIP: every layer's q, k and v apart, projections the other way round."""

from collections.abc import Iterator

from hclip_jax.config.schema import ClipConfig, ImageTower, TextTower
from hclip_jax.weights.layouts.layout import Part, Tensor
from hclip_jax.weights.layouts.openai import CONVOLUTION, LINEAR, linear, norm


def huggingface_tensors(clip: ClipConfig) -> Iterator[Tensor]:
    """All tensors of CLIP, 398 for ViT-B/16."""
    image, text, embed = clip.image, clip.text, clip.embed_dim
    vision, i = "vision_model.", "clip/image/"
    width, p = image.width, image.patch_size
    yield Tensor("logit_scale", (), (Part("clip/logit_scale"),))
    yield Tensor(f"{vision}embeddings.class_embedding", (width,), (Part(f"{i}class_embedding"),))
    yield Tensor(
        f"{vision}embeddings.patch_embedding.weight",
        (width, 3, p, p),
        (Part(f"{i}patch_embedding", axes=CONVOLUTION),),
    )
    yield Tensor(
        f"{vision}embeddings.position_embedding.weight",
        (1 + (image.image_size // p) ** 2, width),
        (Part(f"{i}position_embedding"),),
    )
    yield from norm(f"{vision}pre_layrnorm", f"{i}norm_pre", width)  # their spelling
    yield from norm(f"{vision}post_layernorm", f"{i}norm_post", width)
    yield Tensor("visual_projection.weight", (embed, width), (Part(f"{i}projection", axes=LINEAR),))
    yield from _blocks(f"{vision}encoder.layers", f"{i}blocks", image)

    words, t, width = "text_model.", "clip/text/", text.width
    yield Tensor(
        f"{words}embeddings.token_embedding.weight", (text.vocab_size, width), (Part(f"{t}token_embedding"),)
    )
    yield Tensor(
        f"{words}embeddings.position_embedding.weight",
        (text.context_length, width),
        (Part(f"{t}position_embedding"),),
    )
    yield from norm(f"{words}final_layer_norm", f"{t}norm_final", width)
    yield Tensor("text_projection.weight", (embed, width), (Part(f"{t}projection", axes=LINEAR),))
    yield from _blocks(f"{words}encoder.layers", f"{t}blocks", text)


def _blocks(name: str, leaf: str, tower: ImageTower | TextTower) -> Iterator[Tensor]:
    width, hidden = tower.width, round(tower.mlp_ratio * tower.width)
    for layer in range(tower.num_layers):
        block, at = f"{name}.{layer}", (layer,)
        for short, kind in (("q", "query"), ("k", "key"), ("v", "value"), ("out", "out")):
            yield from linear(f"{block}.self_attn.{short}_proj", f"{leaf}/attention/{kind}", width, width, at)
        yield from norm(f"{block}.layer_norm1", f"{leaf}/norm1", width, at)
        yield from norm(f"{block}.layer_norm2", f"{leaf}/norm2", width, at)
        yield from linear(f"{block}.mlp.fc1", f"{leaf}/fc1", hidden, width, at)
        yield from linear(f"{block}.mlp.fc2", f"{leaf}/fc2", width, hidden, at)
