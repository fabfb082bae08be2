"""The config.json of model directories; changed or broken directories are refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hclip_jax
from hclip_jax.config.build import to_dict
from hclip_jax.errors import UserError
from hclip_jax.weights.checkpoint import Checkpoint
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.model_directory import is_model_directory, load_model
from hclip_jax.weights.safetensors_file import write_safetensors


def refused(path: Path) -> str:
    """The message with which a directory is refused."""
    with pytest.raises(UserError) as error:
        load_model(path)
    message = str(error.value)
    assert message.startswith(str(path))
    assert message.isprintable()
    return message


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes config.json."""
    card = json.loads((path / "config.json").read_text())
    change(card)
    (path / "config.json").write_text(json.dumps(card))


def test_config_json_describes_the_model(saved: Path, model: Checkpoint) -> None:
    card = json.loads((saved / "config.json").read_text())
    assert model.spec is not None
    architecture, protocol, _ = model.spec
    for field in ("clip", "adapters", "head", "model", "prompts"):
        assert card[field] == to_dict(getattr(architecture, field))
    assert card["protocol"] == to_dict(protocol)
    assert card["prompts"]["templates"] == ["A photo of a {} in the scene"]
    assert card["class_names"] == ["traffic light", "sky, clouds", "Straße"]
    assert "Straße" in (saved / "config.json").read_text(encoding="utf-8")
    assert card["preprocessing"] == {
        "channels": "RGB",
        "values": "0 to 255",
        "mean": [122.7709383, 116.7460125, 104.09373615],
        "std": [68.5005327, 66.6321579, 70.3231630],
    }
    assert card["parts"] == ["clip", "adapters", "head"]
    assert card["base_fingerprint"] == model.fingerprint()
    assert card["source"] == 'the published H-CLIP, hclip.pth["model"]'
    assert (card["hclip_jax_model"], card["written_by"]) == (1, f"hclip_jax {hclip_jax.__version__}")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        flip,
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    ],
)
def test_changed_weights_are_refused(damage: Callable[[Path], object], saved: Path) -> None:
    damage(saved / "model.safetensors")
    assert "model.safetensors is not the file that" in refused(saved)


def test_missing_files_are_refused(saved: Path) -> None:
    (saved / "model.safetensors").unlink()
    message = refused(saved)
    assert "model.safetensors does not exist; copy the whole directory" in message
    (saved / "config.json").unlink()
    assert not is_model_directory(saved)
    assert "config.json does not exist" in refused(saved)


def test_weights_of_another_model_with_their_checksum_are_refused(saved: Path, model: Checkpoint) -> None:
    params = {path: param for path, param in model.params.items() if path != "head/upsample1/bias"}
    params["head/upsample2/bias"] = LazyArray.of(np.zeros(99, np.float32))
    digest = write_safetensors(saved / "model.safetensors", params, {})
    rewrite(saved, lambda card: card.update(weights_sha256=digest))
    message = refused(saved)
    assert "2 parameters are missing, unexpected or of another shape, such as head/upsample1/bias" in message


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"{", "cannot be read as JSON"),
        (b"\xff\xfe", "cannot be read as JSON"),
        (b"[" * 10_000, "cannot be read as JSON (nested too deeply)"),
        (b"[1, 2]", "is no config.json of a model directory"),
        (b'"hclip_jax_model"', "is no config.json of a model directory"),
    ],
)
def test_a_broken_config_json_is_refused(content: bytes, reason: str, saved: Path) -> None:
    (saved / "config.json").write_bytes(content)
    assert f"config.json {reason}" in refused(saved)


def remove(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda card: card.pop(name)


def put(path: str, value: Any) -> Callable[[dict[str, Any]], object]:
    def change(card: dict[str, Any]) -> None:
        *groups, name = path.split(".")
        for group in groups:
            card = card[group]
        card[name] = value

    return change


@pytest.mark.parametrize(
    ("change", "fragments"),
    [
        (put("hclip_jax_model", 2), ("has format 2, but this version reads format 1", "hclip_jax 0.")),
        (put("hclip_jax_model", "1"), ("has format '1'",)),
        (remove("head"), ("config.adapters is not a field",)),
        (remove("protocol"), ("config.protocol is missing",)),
        (remove("weights_sha256"), ("config.weights_sha256 is missing",)),
        (put("surprise", 1), ("config.surprise is not a field",)),
        (put("clip", None), ("config.clip is None; it must be a group of fields",)),
        (put("clip.embed_dim", 7), ("does not fit", "such as clip/image/projection")),
        (put("clip.embed_dim", 6.0), ("config.clip.embed_dim is 6.0; it must be a whole number",)),
        (put("clip.activation", "relu"), ("config.clip.activation is 'relu'", "quick_gelu, gelu")),
        (
            put("clip.image.num_heads", 3),
            ("config.clip.image.width is 8, which", "heads = 3 does not divide"),
        ),
        (put("clip.image.num_layers", 0), ("config.clip.image.num_layers is 0; it must be more than 0",)),
        (put("clip.image.mlp_ratio", float("inf")), ("config.clip.image.mlp_ratio is inf",)),
        (put("clip.image.mlp_ratio", 10**400), ("config.clip.image.mlp_ratio is ",)),
        (put("head.hidden_dim", 16), ("does not fit",)),
        (put("head.guidance_layers", [1]), ("two numbers, one a decoder step",)),
        (put("prompts.templates", []), ("config.prompts.templates is ()",)),
        (
            put("clip.image.num_layers", 10**9),
            ("config.clip.image.num_layers is 1000000000; it must be at most 1000",),
        ),
        (put("model.image_size", 10**12), ("config.model.image_size is 1000000000000; it must be at most",)),
        (put("head.max_classes", 10**30), ("config.head.max_classes is 1", "at most 4294967295")),
        (put("a\nb", 1), ("config.a\\nb is not a field",)),
        (
            put("protocol.stride", 512),
            ("config.protocol.stride is 512; it must be at most protocol.crop_size",),
        ),
        (put("protocol.pooling", 3), ("protocol.pooling = 3 does not divide",)),
        (put("protocol.kind", "tiled"), ("config.protocol.kind is 'tiled'", "sliding, single")),
        (put("protocol.stride", 0), ("config.protocol.stride is 0",)),
        (put("preprocessing.channels", "BGR"), ("preprocessing differs",)),
        (put("parts", []), ("parts is ()",)),
        (put("parts", ["clip", "wings"]), ("parts is ('clip', 'wings')", "clip, adapters, head")),
        (put("parts", ["clip", "head"]), ("does not fit", "adapters/")),
        (put("class_names", "cat"), ("config.class_names is 'cat'",)),
        (put("written_by", "a\nb"), ()),
    ],
)
def test_a_wrong_config_json_is_refused(
    change: Callable[[dict[str, Any]], object], fragments: tuple[str, ...], saved: Path
) -> None:
    rewrite(saved, change)
    if not fragments:  # a field that is not checked
        load_model(saved)
        rewrite(saved, put("hclip_jax_model", 3))
    message = refused(saved)
    assert all(fragment in message for fragment in fragments), message
