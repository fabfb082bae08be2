"""Model directories: what is saved comes back, and nothing else is taken for it."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hclip_jax
from hclip_jax.config import to_dict
from hclip_jax.errors import UserError
from hclip_jax.weights.export import merged
from hclip_jax.weights.foreign import open_foreign
from hclip_jax.weights.model_directory import is_model_directory, load_model, save_model
from hclip_jax.weights.safetensors_file import write_safetensors
from hclip_jax.weights.stored import Stored
from hclip_jax.weights.stored_model import StoredModel
from hclip_jax.weights.torch_reader import read_torch, tensors_by_name
from tests.weights.sample_files import FILES

CLASSES = ("traffic light", "sky, clouds", "Straße")


@pytest.fixture
def model() -> StoredModel:
    """A small segmenter with adapters, and classes that it was trained with."""
    found = open_foreign(FILES / "hclip.pth")
    assert found.segmenting is not None
    return dataclasses.replace(found, segmenting=found.segmenting._replace(classes=CLASSES))


@pytest.fixture
def saved(model: StoredModel, tmp_path: Path) -> Path:
    save_model(tmp_path / "model", model)
    return tmp_path / "model"


def clip_alone() -> StoredModel:
    """OpenAI's archive: matrices are float16, norms and embeddings float32."""
    return open_foreign(FILES / "openai.pt")


def adapters(model: StoredModel) -> StoredModel:
    return dataclasses.replace(model.only("adapters", "head"), base=model.fingerprint())


def values(model: StoredModel) -> dict[str, tuple[np.dtype, bytes]]:
    """All leaves, bit for bit."""
    arrays = {path: np.asarray(leaf) for path, leaf in model.leaves.items()}
    assert all(
        (a.shape, a.dtype) == (model.leaves[p].shape, model.leaves[p].dtype) for p, a in arrays.items()
    )
    return {path: (array.dtype, array.tobytes()) for path, array in arrays.items()}


def refused(path: Path) -> str:
    """The one sentence with which a directory must be refused."""
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


@pytest.mark.parametrize("part", ["segmenter", "clip", "adapters", "merged"])
def test_round_trip(part: str, model: StoredModel, tmp_path: Path) -> None:
    whole = {
        "segmenter": model,
        "clip": clip_alone(),
        "adapters": adapters(model),
        "merged": merged(model, np.dtype(np.float16), keep_precision=False),
    }[part]
    save_model(tmp_path / "model", whole)
    assert is_model_directory(tmp_path / "model")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["config.json", "model", "model.safetensors"]
    loaded = load_model(tmp_path / "model")
    assert values(loaded) == values(whole)
    assert (loaded.clip, loaded.segmenting) == (whole.clip, whole.segmenting)
    assert (loaded.parts, loaded.source) == (whole.parts, whole.source)
    assert loaded.fingerprint() == whole.fingerprint()


def test_dtypes_are_those_of_the_file() -> None:
    kinds = {str(leaf.dtype) for leaf in clip_alone().leaves.values()}
    assert kinds == {"float16", "float32"}
    assert clip_alone().leaves["clip/image/blocks/attention/query/kernel"].dtype == np.float16
    assert clip_alone().leaves["clip/image/norm_pre/scale"].dtype == np.float32


def test_the_card_says_all_that_the_weights_do_not(saved: Path, model: StoredModel) -> None:
    card = json.loads((saved / "config.json").read_text())
    assert model.segmenting is not None
    architecture, protocol, _ = model.segmenting
    for field in ("clip", "adapters", "head", "model", "prompts"):
        assert card[field] == to_dict(getattr(architecture, field))
    assert card["protocol"] == to_dict(protocol)
    assert card["prompts"]["templates"] == ["A photo of a {} in the scene"]
    assert card["classes"] == list(CLASSES)
    assert "Straße" in (saved / "config.json").read_text(encoding="utf-8")
    assert card["preprocessing"] == {
        "channels": "RGB",
        "values": "0 to 255",
        "mean": [122.7709383, 116.7460125, 104.09373615],
        "std": [68.5005327, 66.6321579, 70.3231630],
    }
    assert card["parts"] == ["clip", "adapters", "head"]
    assert card["base_fingerprint"] == model.fingerprint()
    assert card["source"] == "the published H-CLIP, hclip.pth"
    assert (card["hclip_jax_model"], card["written_by"]) == (1, f"hclip_jax {hclip_jax.__version__}")


def test_adapters_and_their_clip_are_the_whole(model: StoredModel, tmp_path: Path) -> None:
    save_model(tmp_path / "adapters", adapters(model))
    save_model(tmp_path / "clip", dataclasses.replace(model.only("clip"), segmenting=None))
    alone = load_model(tmp_path / "adapters")
    assert alone.parts == ("adapters", "head")
    with pytest.raises(UserError, match=r"adapters holds adapters without CLIP; .* as --base"):
        alone.need_segmenting()
    whole = alone.on_base(load_model(tmp_path / "clip"))
    assert values(whole) == values(model)
    assert whole.need_segmenting() == model.segmenting


def test_another_clip_is_refused_as_base(model: StoredModel, tmp_path: Path) -> None:
    save_model(tmp_path / "adapters", adapters(model))
    alone = load_model(tmp_path / "adapters")
    with pytest.raises(UserError, match=r"catseg.pth is not the CLIP that .*adapters was trained on"):
        alone.on_base(open_foreign(FILES / "catseg.pth"))
    with pytest.raises(UserError, match=r"adapters holds adapters without CLIP"):
        alone.on_base(alone.only("head"))


def test_a_base_is_refused_where_clip_is_inside(model: StoredModel) -> None:
    with pytest.raises(UserError, match=r"hclip.pth has a CLIP of its own; leave --base out"):
        model.on_base(model)


def test_clip_alone_cannot_segment() -> None:
    with pytest.raises(UserError, match=r"openai.pt holds CLIP alone, which cannot segment; train a head"):
        clip_alone().need_segmenting()


def test_the_fingerprint_is_of_values_not_of_files(tmp_path: Path) -> None:
    half = clip_alone()
    save_model(tmp_path / "float32", merged(half, np.dtype(np.float32), keep_precision=False))
    copy = load_model(tmp_path / "float32")
    assert {str(leaf.dtype) for leaf in copy.leaves.values()} == {"float32"}
    assert copy.fingerprint() == half.fingerprint()


@pytest.mark.parametrize("path", ["clip/logit_scale", "clip/text/norm_final/bias", "clip/image/projection"])
def test_the_fingerprint_tells_any_two_models_apart(path: str) -> None:
    model = clip_alone()
    value = np.array(model.leaves[path])
    value.reshape(-1)[-1] = np.nextafter(value.reshape(-1)[-1], value.dtype.type(9))
    other = dataclasses.replace(model, leaves={**model.leaves, path: Stored.of(value)})
    assert other.fingerprint() != model.fingerprint()


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        flip,
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    ],
)
def test_changed_weights_are_refused(damage: Callable[[Path], object], saved: Path) -> None:
    damage(saved / "model.safetensors")
    assert "model.safetensors is not the file that" in refused(saved)


def test_missing_files(saved: Path) -> None:
    (saved / "model.safetensors").unlink()
    assert "has no model.safetensors; copy the whole directory" in refused(saved)
    (saved / "config.json").unlink()
    assert not is_model_directory(saved)
    assert "config.json cannot be read" in refused(saved)


def test_weights_of_another_model_with_a_fitting_checksum(saved: Path, model: StoredModel) -> None:
    leaves = {path: leaf for path, leaf in model.leaves.items() if path != "head/upsample1/bias"}
    leaves["head/upsample2/bias"] = Stored.of(np.zeros(99, np.float32))
    digest = write_safetensors(saved / "model.safetensors", leaves, {})
    rewrite(saved, lambda card: card.update(weights_sha256=digest))
    message = refused(saved)
    assert "2 parameters are missing, too many or of another shape, such as head/upsample1/bias" in message


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"\xff\xfe", b"[" * 10_000, b'"hclip_jax_model"'])
def test_a_broken_card(content: bytes, saved: Path) -> None:
    (saved / "config.json").write_bytes(content)
    assert "config.json cannot be read as a model's config.json" in refused(saved)


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
    ("change", "words"),
    [
        (put("hclip_jax_model", 2), ("is of format 2, but this version reads format 1", "hclip_jax 0.")),
        (put("hclip_jax_model", "1"), ("is of format '1'",)),
        (remove("head"), ("config.adapters is not a field",)),
        (remove("protocol"), ("config.protocol is missing",)),
        (remove("weights_sha256"), ("config.weights_sha256 is missing",)),
        (put("surprise", 1), ("config.surprise is not a field",)),
        (put("clip", None), ("config.clip is None; it must be a group of fields",)),
        (put("clip.embed", 7), ("does not hold what", "such as clip/image/projection")),
        (put("clip.embed", 6.0), ("config.clip.embed is 6.0; it must be a whole number",)),
        (put("clip.activation", "relu"), ("config.clip.activation is 'relu'", "quick_gelu, gelu")),
        (put("clip.image.heads", 3), ("config.clip.image.width is 8, which", "heads = 3 does not divide")),
        (put("clip.image.layers", 0), ("config.clip.image.layers is 0; it must be more than 0",)),
        (put("clip.image.mlp_ratio", float("inf")), ("config.clip.image.mlp_ratio is inf",)),
        (put("clip.image.mlp_ratio", 10**400), ("config.clip.image.mlp_ratio is ",)),
        (put("head.hidden", 16), ("does not hold what",)),
        (put("head.guidance_blocks", [1]), ("two numbers, one a decoder step",)),
        (put("prompts.templates", []), ("config.prompts.templates is ()",)),
        (
            put("clip.image.layers", 10**9),
            ("config.clip.image.layers is 1000000000; it must be at most 1000",),
        ),
        (put("model.resolution", 10**12), ("config.model.resolution is 1000000000000; it must be at most",)),
        (put("head.slots", 10**30), ("config.head.slots is 1", "at most 4294967295")),
        (put("a\nb", 1), ("config.a\\nb is not a field",)),
        (put("protocol.stride", 512), ("config.protocol.stride is 512; it must be at most protocol.crop",)),
        (put("protocol.pooling", 3), ("protocol.pooling = 3 does not divide",)),
        (put("protocol.kind", "tiled"), ("config.protocol.kind is 'tiled'", "sliding, single")),
        (put("protocol.stride", 0), ("config.protocol.stride is 0",)),
        (put("preprocessing.channels", "BGR"), ("preprocessing differs",)),
        (put("parts", []), ("parts is ()",)),
        (put("parts", ["clip", "wings"]), ("parts is ('clip', 'wings')", "clip, adapters, head")),
        (put("parts", ["clip", "head"]), ("does not hold what", "adapters/")),
        (put("classes", "cat"), ("config.classes is 'cat'",)),
        (put("written_by", "a\nb"), ()),
    ],
)
def test_a_card_that_is_not_right(
    change: Callable[[dict[str, Any]], object], words: tuple[str, ...], saved: Path
) -> None:
    rewrite(saved, change)
    if not words:
        load_model(saved)
        rewrite(saved, put("hclip_jax_model", 3))
    message = refused(saved)
    assert all(word in message for word in words), message


@pytest.mark.parametrize("there", ["file", "folder", "model"])
def test_what_is_there_is_not_overwritten(there: str, model: StoredModel, tmp_path: Path) -> None:
    target = tmp_path / "target"
    match there:
        case "file":
            target.write_text("mine")
        case "folder":
            target.mkdir()
            (target / "notes.txt").write_text("mine")
        case "model":
            save_model(target, model)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match="target exists already; give another target, or remove it first"):
        save_model(target, model)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_an_empty_folder_is_filled(model: StoredModel, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    save_model(tmp_path / "target", model)
    assert values(load_model(tmp_path / "target")) == values(model)


@pytest.mark.parametrize("error", [UserError("the file is broken"), OSError(28, "No space left on device")])
def test_nothing_is_left_when_writing_fails(error: Exception, model: StoredModel, tmp_path: Path) -> None:
    def fail() -> np.ndarray:
        raise error

    last = dataclasses.replace(model.leaves["head/upsample2/bias"], load=fail)
    broken = dataclasses.replace(model, leaves={**model.leaves, "head/upsample2/bias": last})
    with pytest.raises(UserError, match=r"the file is broken|cannot be written"):
        save_model(tmp_path / "target", broken)
    assert not list(tmp_path.iterdir())


def test_a_target_that_cannot_be(model: StoredModel, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError, match="target cannot be written"):
        save_model(tmp_path / "taken" / "target", model)


def test_names_of_one_tensor_are_one_leaf() -> None:
    """The fixture's adapters have 8 names each (4 blocks of 2 towers), and are stored once."""
    content = read_torch(FILES / "hclip.pth").content["model"]
    names = [name for name in tensors_by_name(content) if name.endswith("attn_q_proj_oft_layer_R")]
    assert len(names) == 4
    leaves = open_foreign(FILES / "hclip.pth").only("adapters").leaves
    assert sorted(leaves) == ["adapters/layer", "adapters/modality", "adapters/text", "adapters/vision"]
