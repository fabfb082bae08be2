"""Files of other libraries: the detected model computes the features that the library computed."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from safetensors.numpy import save_file

from hclip_jax.config.adapters import HClipConfig
from hclip_jax.config.schema import Activation, ClipConfig, ImageTower, TextTower
from hclip_jax.errors import UserError
from hclip_jax.weights.checkpoint import Checkpoint
from hclip_jax.weights.clip_features import ClipFeatures, clip_features
from hclip_jax.weights.export import merge_adapters
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.open_checkpoint import open_checkpoint
from hclip_jax.weights.torch_zip.writer import write_torch
from hclip_jax.weights.weight_file import open_weights
from tests import tolerance
from tests.weights.sample_files import FILES

OUTPUTS = np.load(FILES / "outputs.npz")
OPENCLIP = "CLIP with OpenAI's names, as OpenCLIP has them"
SIZES = ("input_resolution", "context_length", "vocab_size")
POSITIONS = tuple(f"{tower}_model.embeddings.position_ids" for tower in ("text", "vision"))


class Case(NamedTuple):
    file: str
    outputs: str  # prefix in outputs.npz
    kind: str
    num_layers: tuple[int, int]  # of the image and the text tower
    num_heads: int
    activation: Activation
    parts: tuple[str, ...] = ("clip",)
    buffers: tuple[str, ...] = ()
    origin: str = ""


CASES = (
    Case("openai.pt", "openai", "OpenAI's CLIP", (1, 1), 1, "quick_gelu", buffers=SIZES),
    Case("huggingface", "huggingface", "Hugging Face's CLIP", (2, 1), 1, "quick_gelu"),
    Case("huggingface_bin", "huggingface_bin", "Hugging Face's CLIP", (1, 1), 2, "gelu", buffers=POSITIONS),
    Case("open_clip", "open_clip", OPENCLIP, (1, 1), 2, "gelu"),
    Case("open_clip/open_clip_pytorch_model.bin", "open_clip", OPENCLIP, (1, 1), 2, "gelu"),
    Case("open_clip_text", "open_clip_text", OPENCLIP, (1, 2), 2, "gelu"),
    Case("epoch_1.pt", "epoch_1", OPENCLIP, (1, 1), 2, "gelu", origin='["state_dict"]'),
    Case("catseg.pth", "catseg", "CAT-Seg", (2, 2), 1, "quick_gelu", ("clip", "head"), origin='["model"]'),
    Case(
        "hclip.pth",
        "hclip_frozen",
        "the published H-CLIP",
        (2, 2),
        1,
        "quick_gelu",
        ("clip", "adapters", "head"),
        origin='["model"]',
    ),
)


def clip_config(case: Case) -> ClipConfig:
    """CLIP with the sizes of the files in `files/`."""
    image = ImageTower(case.num_layers[0], 8, case.num_heads, 4.0, 4, 16)
    text = TextTower(case.num_layers[1], 4, case.num_heads, 4.0, 64, 16)
    return ClipConfig("", 6, case.activation, image, text)


def open_case(case: Case) -> Checkpoint:
    # A checkpoint of OpenCLIP's training does not state the number of heads.
    like = clip_config(case) if case.file == "epoch_1.pt" else None
    return open_checkpoint(FILES / case.file, like)


def features(model: Checkpoint) -> ClipFeatures:
    params = model.only("clip").load_params()["clip"]
    return clip_features(model.clip, params, OUTPUTS["images"], OUTPUTS["tokens"].astype(np.int32))


def max_difference(result: ClipFeatures, outputs: str) -> float:
    """Largest difference from the features of the library."""
    return max(float(np.abs(getattr(result, k) - OUTPUTS[f"{outputs}/{k}"]).max()) for k in ("image", "text"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
def test_features_are_those_of_the_library(case: Case) -> None:
    model = open_case(case)
    assert model.source == f"{case.kind}, {Path(model.where).name}{case.origin}"
    assert model.clip == clip_config(case)
    assert model.parts == case.parts
    if case.file != "hclip.pth":  # layouts/test_hclip.py tests its many buffers
        buffers = (name for name in model.buffers if not name.endswith(".attn_mask"))
        assert sorted(buffers) == sorted(case.buffers)
    assert max_difference(features(model), case.outputs) < tolerance.TOWERS


def test_merged_features_are_those_of_the_published_adapters() -> None:
    model = open_checkpoint(FILES / "hclip.pth")
    assert max_difference(features(model), "hclip") > 0.01
    assert (
        max_difference(features(merge_adapters(model, None, keep_precision=True)), "hclip") < tolerance.TOWERS
    )


def test_segmenters_have_the_sizes_of_their_files() -> None:
    for name in ("catseg.pth", "hclip.pth"):
        spec = open_checkpoint(FILES / name).spec
        assert spec is not None
        head = spec.architecture.head
        assert (head.hidden_dim, head.num_layers, head.guidance_dim, head.window_size) == (8, 1, 4, 2)
        assert (head.decoder_dims, head.decoder_guidance_dims, head.decoder_guidance_proj_dims) == (
            (6, 4),
            (4, 3),
            (3, 2),
        )
        assert spec.architecture.adapters == HClipConfig(block_size=4)
        assert spec.architecture.model.image_size == 16
        assert spec.class_names == ()


def test_heads_and_activation_change_the_features() -> None:
    default = open_checkpoint(FILES / "epoch_1.pt")  # it has 2 heads and gelu
    assert default.activation_assumed
    assert default.clip.image.num_heads == 1
    assert max_difference(features(default), "epoch_1") > 0.01
    quick = open_checkpoint(FILES / "epoch_1.pt", activation="quick_gelu")
    assert not quick.activation_assumed
    assert quick.clip.activation == "quick_gelu"
    assert max_difference(features(quick), "epoch_1") > 0.01


def test_a_segmenter_without_its_masks_has_the_published_window(tmp_path: Path) -> None:
    tensors = {n: x for n, x in open_weights(FILES / "catseg.pth").tensors.items() if "attn_mask" not in n}
    write_torch(tmp_path / "x.pth", tensors)
    with pytest.warns(UserWarning, match=r"x.pth is read with windows of 12 on a grid of 24 as published"):
        model = open_checkpoint(tmp_path / "x.pth")
    assert "windows of 12 on a grid of 24 as published" in model.source
    assert model.require_spec().architecture.model.image_size == 24 * 4


def test_layers_that_share_their_tensors_are_bounded(tmp_path: Path) -> None:
    """The model of a small file would have gigabytes."""
    tensors = dict(open_weights(FILES / "epoch_1.pt").tensors)
    large = LazyArray.of(np.zeros((100, 100), np.float32))
    for layer in range(200):
        shared = {n.replace(".0.", f".{layer}."): large for n in tensors if ".resblocks.0." in n}
        tensors |= shared
    write_torch(tmp_path / "x.pt", tensors)
    message = "has [0-9,]+ bytes, but its model would have [0-9,]+, because layers share their tensors"
    with pytest.raises(UserError, match=message):
        open_checkpoint(tmp_path / "x.pt", activation="gelu")
    more = {f"visual.transformer.resblocks.{i}.ln_1.weight": large for i in range(2000)}
    write_torch(tmp_path / "x.pt", tensors | more)
    with pytest.raises(UserError, match=r"has 2,000 layers visual\.transformer\.resblocks"):
        open_checkpoint(tmp_path / "x.pt")


def test_fields_of_both_configuration_files_count(tmp_path: Path) -> None:
    for name, tree in (
        ("config.json", {"model_type": "clip"}),
        ("open_clip_config.json", {"model_cfg": {"a": 1}}),
    ):
        (tmp_path / name).write_text(json.dumps(tree))
    save_file({"x": np.zeros(1, np.float32)}, tmp_path / "model.safetensors")
    config = open_weights(tmp_path / "model.safetensors").hf_config
    assert config == {"model_type": "clip", "model_cfg": {"a": 1}}
