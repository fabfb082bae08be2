"""Wrong images, class names, weights and work directories are refused before a file is written."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from hclip_jax.config.validate import from_config_dict
from hclip_jax.training.workdir import claim_workdir
from hclip_jax.weights.layouts.openai import clip_tensors
from tests.small_models import micro, micro_dict


def _resize_label(root: Path) -> None:
    Image.new("L", (7, 9)).save(root / "labels/train/p03.png")


def _colour_label(root: Path) -> None:
    path = root / "labels/train/p03.png"
    with Image.open(path) as label:
        coloured = label.convert("RGB")
    coloured.save(path)


def _rename_class(name: str) -> Callable[[Path], object]:
    def damage(root: Path) -> None:
        names = (root / "classes.txt").read_text().splitlines()
        (root / "classes.txt").write_text("\n".join([names[0], name, *names[2:]]) + "\n")

    return damage


DAMAGES: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "no folder": (lambda root: root.rename(f"{root}.old"), ("the labelled folder", "is no folder")),
    "no classes": (lambda root: (root / "classes.txt").unlink(), ("has no classes.txt",)),
    "no split": (lambda root: (root / "images/val").rename(root / "images/dev"), ("'val'", "dev")),
    "no label": (lambda root: (root / "labels/train/p03.png").unlink(), ("no label for p03.png",)),
    "other size": (_resize_label, ("p03.png is 7x9", "make each label as large")),
    "colour label": (_colour_label, ("labels/train/p03.png", "mode RGB", "single channel")),
    "no image": (
        lambda root: (root / "images/train/p03.png").write_bytes(b"GIF89a or not"),
        ("cannot read", "images/train/p03.png"),
    ),
    "empty name": (_rename_class(""), ("classes.txt: line 2 is ''", "letter or a digit")),
    "same name": (_rename_class("sky"), ("line 1 and line 2 are both 'sky'", "rename")),
    "long name": (_rename_class("very " * 80 + "long"), ("tokens", "at most 77", "shorten")),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_bad_folders(name: str, folder: Path, refusal: Callable[..., str]) -> None:
    damage, parts = DAMAGES[name]
    damage(folder)
    message = refusal(f"--config.data.root={folder}", "--config.data.label_set=")
    assert all(part in message for part in parts), message


def test_class_names_of_evaluation_sets_are_checked_before_training(
    tmp_path: Path, folder: Path, refusal: Callable[..., str]
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("long " * 80 + "\n")
    flags = (f"--config.evaluation.sets.val.{field}" for field in (f"root={folder}", f"classes_file={names}"))
    flags = tuple(flags)
    for mode in ("train", "evaluate"):
        message = refusal(*flags, f"--mode={mode}")
        assert "at most 77" in message, message


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (("--config.data.root=",), ("config.data.root is empty", "scenes")),
        (("--config.data.label_set=animals",), ("'animals'", "seen, all, shapes, regrouped, synonyms")),
        (("--config.data.split=dev",), ("'dev'", "train, val, test")),
        (("--config.data.classes_file=x.txt",), ("x.txt", "label_set")),
        (
            ("--config.evaluation.sets.val.fold_background=99",),
            ("sets.val.fold_background is 99", "must be less than the"),
        ),
        (("--config.prompts.templates=('a photo',)",), ("'a photo'", "once")),
    ],
)
def test_values_that_data_and_devices_refuse(
    flags: tuple[str, ...], parts: tuple[str, ...], refusal: Callable[..., str]
) -> None:
    message = refusal(*flags)
    assert all(part in message for part in parts), message


@pytest.mark.parametrize("mode", ["train", "evaluate"])
def test_missing_weights(mode: str, tmp_path: Path, refusal: Callable[..., str]) -> None:
    message = refusal("--config.clip.weights=", f"--mode={mode}")
    assert "config.clip.weights is empty" in message
    assert "huggingface.co" in message
    assert "--config.clip.weights=FILE" in message
    missing = tmp_path / "clip.safetensors"
    assert f"{missing} does not exist" in refusal(f"--config.clip.weights={missing}", f"--mode={mode}")


@pytest.mark.parametrize("name", ["clip.pt", "clip.safetensors"])
def test_truncated_weights(name: str, tmp_path: Path, refusal: Callable[..., str]) -> None:
    path = tmp_path / name
    path.write_bytes(b"PK\x03\x04 and so on, as torch.save writes it")
    message = refusal(f"--config.clip.weights={path}")
    assert message.startswith(f"error: {path} ")
    assert "again" in message or "anew" in message
    assert message.count("\n") == 1


def test_weights_of_another_size(tmp_path: Path, refusal: Callable[..., str]) -> None:
    c = micro_dict()
    c.clip.image.update(num_layers=4, width=32)
    other = from_config_dict(c).clip
    path = tmp_path / "clip.safetensors"
    save_file({t.name: np.zeros(t.shape, np.float32) for t in clip_tensors(other)}, path)
    message = refusal(f"--config.clip.weights={path}", "--config.clip.activation=gelu")
    assert (
        f"{path} holds a CLIP with image.num_heads = 1, image.num_layers = 4, image.width = 32, but"
        in message
    )
    assert "config.clip has image.num_heads = 2, image.num_layers = 3, image.width = 16;" in message
    assert message.count("\n") == 1


def test_weights_of_another_model_get_a_three_way_difference(
    tmp_path: Path, refusal: Callable[..., str]
) -> None:
    tensors = {t.name: np.zeros(t.shape, np.float32) for t in clip_tensors(micro().clip)}
    tensors["visual.extra"] = tensors.pop("visual.ln_pre.bias")
    tensors["ln_final.bias"] = np.zeros(5, np.float32)
    path = tmp_path / "clip.safetensors"
    save_file(tensors, path)
    message = refusal(f"--config.clip.weights={path}")
    assert f"{path} does not fit the model" in message
    assert "only in the file: visual.extra;" in message
    assert "only in the model: visual.ln_pre.bias;" in message
    assert "shape differs: ln_final.bias (5,) in the file, (16,) in the model;" in message
    assert message.count("\n") == 1


@pytest.mark.parametrize("mode", ["train", "evaluate"])
def test_work_directory_of_another_configuration(
    mode: str, workdir: Path, refusal: Callable[..., str]
) -> None:
    claim_workdir(workdir, micro())
    before = (workdir / "config.json").read_bytes()
    message = refusal("--config.seed=3", "--config.head.num_layers=2", f"--mode={mode}")
    assert (
        f"{workdir} holds a training of another configuration, which differs in head.num_layers, seed;"
        in message
    )
    assert (workdir / "config.json").read_bytes() == before
