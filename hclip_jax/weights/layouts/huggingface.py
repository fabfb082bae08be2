"""Tensors of Hugging Face's CLIPModel: separate q, k and v; projections are [out, in]."""

from collections.abc import Iterator

from hclip_jax.config.schema import ClipConfig, ImageTower, TextTower
from hclip_jax.weights.layouts.layout import Part, Tensor
from hclip_jax.weights.layouts.openai import CONVOLUTION, LINEAR, linear, norm


def huggingface_tensors(clip: ClipConfig) -> Iterator[Tensor]:
    """All tensors of CLIP, 398 for ViT-B/16."""
    image, text, embed_dim = clip.image, clip.text, clip.embed_dim
    yield Tensor("logit_scale", (), (Part("clip/logit_scale"),))

    name, path, width, patch = "vision_model.", "clip/image/", image.width, image.patch_size
    tokens = 1 + (image.image_size // patch) ** 2
    kernel = Part(f"{path}patch_embedding", axes=CONVOLUTION)
    yield Tensor(f"{name}embeddings.class_embedding", (width,), (Part(f"{path}class_embedding"),))
    yield Tensor(f"{name}embeddings.patch_embedding.weight", (width, 3, patch, patch), (kernel,))
    yield Tensor(
        f"{name}embeddings.position_embedding.weight", (tokens, width), (Part(f"{path}position_embedding"),)
    )
    yield from norm(f"{name}pre_layrnorm", f"{path}norm_pre", width)  # misspelled in the format
    yield from norm(f"{name}post_layernorm", f"{path}norm_post", width)
    yield Tensor("visual_projection.weight", (embed_dim, width), (Part(f"{path}projection", axes=LINEAR),))
    yield from _blocks(f"{name}encoder.layers", f"{path}blocks", image)

    name, path, width = "text_model.", "clip/text/", text.width
    yield Tensor(
        f"{name}embeddings.token_embedding.weight",
        (text.vocab_size, width),
        (Part(f"{path}token_embedding"),),
    )
    yield Tensor(
        f"{name}embeddings.position_embedding.weight",
        (text.context_length, width),
        (Part(f"{path}position_embedding"),),
    )
    yield from norm(f"{name}final_layer_norm", f"{path}norm_final", width)
    yield Tensor("text_projection.weight", (embed_dim, width), (Part(f"{path}projection", axes=LINEAR),))
    yield from _blocks(f"{name}encoder.layers", f"{path}blocks", text)


def _blocks(name: str, path: str, tower: ImageTower | TextTower) -> Iterator[Tensor]:
    width, hidden_dim = tower.width, round(tower.mlp_ratio * tower.width)
    for i in range(tower.num_layers):
        block, layer = f"{name}.{i}.", (i,)
        for short, target in (("q", "query"), ("k", "key"), ("v", "value"), ("out", "out")):
            yield from linear(
                f"{block}self_attn.{short}_proj", f"{path}/attention/{target}", width, width, layer
            )
        yield from norm(f"{block}layer_norm1", f"{path}/norm1", width, layer)
        yield from norm(f"{block}layer_norm2", f"{path}/norm2", width, layer)
        yield from linear(f"{block}mlp.fc1", f"{path}/fc1", hidden_dim, width, layer)
        yield from linear(f"{block}mlp.fc2", f"{path}/fc2", width, hidden_dim, layer)
