"""Files as their writers leave them: what they hold is found, and computes what its writer computed."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from hclip_jax.config.schema import ClipConfig, ImageTower, TextTower
from hclip_jax.weights.checkpoint import Checkpoint
from hclip_jax.weights.clip_features import ClipFeatures, clip_features
from hclip_jax.weights.export import merged
from hclip_jax.weights.open_checkpoint import open_checkpoint
from tests import tolerance
from tests.weights.sample_files import FILES

OUTPUTS = np.load(FILES / "outputs.npz")
OPENCLIP = "CLIP with OpenAI's names, as OpenCLIP has them"
SIZES = ("input_resolution", "context_length", "vocab_size")
POSITIONS = tuple(f"{tower}_model.embeddings.position_ids" for tower in ("text", "vision"))


class Case(NamedTuple):
    file: str
    outputs: str
    kind: str
    layers: tuple[int, int]  # of the image and the text tower
    heads: int
    activation: str
    parts: tuple[str, ...] = ("clip",)
    unused: tuple[str, ...] = ()


CASES = (
    Case("openai.pt", "openai", "OpenAI's CLIP", (1, 1), 1, "quick_gelu", unused=SIZES),
    Case("huggingface", "huggingface", "Hugging Face's CLIP", (2, 1), 1, "quick_gelu"),
    Case("huggingface_bin", "huggingface_bin", "Hugging Face's CLIP", (1, 1), 2, "gelu", unused=POSITIONS),
    Case("open_clip", "open_clip", OPENCLIP, (1, 1), 2, "gelu"),
    Case("open_clip/open_clip_pytorch_model.bin", "open_clip", OPENCLIP, (1, 1), 2, "gelu"),
    Case("open_clip_text", "open_clip_text", OPENCLIP, (1, 2), 2, "gelu"),
    Case("epoch_1.pt", "epoch_1", OPENCLIP, (1, 1), 2, "gelu"),
    Case("catseg.pth", "catseg", "CAT-Seg", (2, 2), 1, "quick_gelu", ("clip", "head")),
    Case(
        "hclip.pth",
        "hclip_frozen",
        "the published H-CLIP",
        (2, 2),
        1,
        "quick_gelu",
        ("clip", "adapters", "head"),
    ),
)


def small(layers: tuple[int, int], heads: int, activation: str) -> ClipConfig:
    """The sizes of the files in `files/`."""
    image = ImageTower(layers[0], 8, heads, 4.0, 4, 16)
    return ClipConfig("", 6, activation, image, TextTower(layers[1], 4, heads, 4.0, 64, 16))


def opened(case: Case) -> Checkpoint:
    # Of a bare checkpoint of OpenCLIP's training nobody knows the heads.
    like = small(case.layers, case.heads, case.activation) if case.file == "epoch_1.pt" else None
    return open_checkpoint(FILES / case.file, like)


def features(model: Checkpoint) -> ClipFeatures:
    params = model.only("clip").load_params()["clip"]
    return clip_features(model.clip, params, OUTPUTS["images"], OUTPUTS["tokens"].astype(np.int32))


def difference(found: ClipFeatures, outputs: str) -> float:
    return max(float(np.abs(getattr(found, k) - OUTPUTS[f"{outputs}/{k}"]).max()) for k in ("image", "text"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
def test_what_the_writers_wrote(case: Case) -> None:
    model = opened(case)
    assert model.source == f"{case.kind}, {Path(model.where).name}"
    assert model.clip == small(case.layers, case.heads, case.activation)
    assert model.parts == case.parts
    if case.file != "hclip.pth":  # its many are tested with the published one
        own = (name for name in model.unused if not name.endswith(".attn_mask"))
        assert sorted(own) == sorted(case.unused)
    assert difference(features(model), case.outputs) < tolerance.TOWERS


def test_adapters_of_others_merge_to_what_their_code_makes_of_them() -> None:
    model = open_checkpoint(FILES / "hclip.pth")
    assert difference(features(model), "hclip") > 0.01
    assert difference(features(merged(model, None, keep_precision=True)), "hclip") < tolerance.TOWERS


def test_small_segmenters_have_the_sizes_of_their_files() -> None:
    for name in ("catseg.pth", "hclip.pth"):
        spec = open_checkpoint(FILES / name).spec
        assert spec is not None
        head = spec.architecture.head
        widths = (head.hidden_dim, head.num_layers, head.guidance_dim, head.window_size)
        assert widths == (8, 1, 4, 2)
        assert (head.decoder_dims, head.decoder_guidance_dims, head.decoder_guidance_proj_dims) == (
            (6, 4),
            (4, 3),
            (3, 2),
        )
        assert spec.architecture.adapters.block_size == 4
        assert spec.architecture.model.image_size == 16
        assert spec.class_names == ()


def test_heads_and_activation_matter_and_can_be_told() -> None:
    unknown = open_checkpoint(FILES / "epoch_1.pt")
    assert unknown.clip.image.num_heads == 1
    assert difference(features(unknown), "epoch_1") > 0.01
    told = open_checkpoint(FILES / "epoch_1.pt", activation="quick_gelu")
    assert told.clip.activation == "quick_gelu"
    assert difference(features(told), "epoch_1") > 0.01
