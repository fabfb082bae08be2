"""What people have in place of a file of weights: one sentence that names it, in every format."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hclip_jax.errors import UserError
from hclip_jax.load import open_model
from hclip_jax.weights.model_directory import save_model
from hclip_jax.weights.open_checkpoint import open_checkpoint
from tests.weights.sample_files import FILES

SHARD = "model-00001-of-00001.safetensors"
# (folder, path that is opened, file that is replaced)
PLACES = {
    "safetensors": ("huggingface", "model.safetensors", "model.safetensors"),
    "pt": ("", "epoch_1.pt", "epoch_1.pt"),
    "folder": ("huggingface_bin", "", "pytorch_model.bin"),
    "config.json beside weights": ("huggingface", "", "config.json"),
    "open_clip_config.json": ("open_clip", "", "open_clip_config.json"),
    "index": ("sharded", "", "model.safetensors.index.json"),
    "shard": ("sharded", "", SHARD),
    "config.json": ("directory", "", "config.json"),
    "model.safetensors": ("directory", "", "model.safetensors"),
}
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:5806\nsize 9\n"
SUBSTITUTES: dict[str, tuple[Callable[[Path], object], str]] = {
    "pointer": (
        lambda path: path.write_bytes(POINTER),
        "is a pointer of Git LFS, not the file; run git lfs pull",
    ),
    "web page": (lambda path: path.write_bytes(b"<!DOCTYPE html>\n"), "is a web page, not the file"),
    "empty": (lambda path: path.write_bytes(b""), "is empty; copy or download it again"),
    "pipe": (os.mkfifo, "is a device or pipe, not a file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "is a device or pipe, not a file"),
    "folder": (lambda path: path.mkdir(), "is a folder, not a file"),
    "loop": (lambda path: path.symlink_to(path.name), "cannot be read (Too many levels of symbolic links)"),
    "dead link": (lambda path: path.symlink_to("gone"), "is a link to nothing"),
}


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    for name in ("huggingface", "huggingface_bin", "open_clip"):
        shutil.copytree(FILES / name, folder / name)
    shutil.copy(FILES / "epoch_1.pt", folder)
    save_model(folder / "directory", open_checkpoint(FILES / "openai.pt"))
    (folder / "sharded").mkdir()
    shutil.copy(FILES / "huggingface/config.json", folder / "sharded")
    shutil.copy(FILES / "huggingface/model.safetensors", folder / "sharded" / SHARD)
    names = open_checkpoint(FILES / "huggingface").params
    index = {"weight_map": dict.fromkeys(names, SHARD)}
    (folder / "sharded/model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def refused(path: Path) -> str:
    with pytest.raises(UserError) as error:
        open_model(path)
    message = str(error.value)
    assert message.isprintable()
    return message


@pytest.mark.parametrize("substitute", SUBSTITUTES)
@pytest.mark.parametrize("place", PLACES)
def test_a_substitute_is_named(place: str, substitute: str, samples: Path, tmp_path: Path) -> None:
    folder, opened, file = PLACES[place]
    shutil.copytree(samples / folder, tmp_path / "x")
    path = tmp_path / "x" / file
    path.unlink()
    make, reason = SUBSTITUTES[substitute]
    make(path)
    message = refused(tmp_path / "x" / opened)
    if (place, substitute) in {("pt", "dead link"), ("safetensors", "dead link")}:
        assert message.startswith(f"{path} does not exist")
    elif (place, substitute) == ("pt", "folder") or (place, substitute) == ("safetensors", "folder"):
        assert message.startswith(f"{path} holds none of model.safetensors")
    else:
        assert message.startswith(f"{path} {reason}"), message
    assert message.count(str(tmp_path)) == 1


@pytest.mark.parametrize("name", ["x" * 300, "none", "none.pt/x"])
def test_paths_that_the_system_refuses(name: str, tmp_path: Path) -> None:
    (tmp_path / "none.pt").write_bytes(b"x")
    assert "give a model directory, the --workdir of a training, or a weights file" in refused(
        tmp_path / name
    )


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path) -> list[str]:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "listdir", denied)
    assert refused(tmp_path).startswith(
        f"{tmp_path} cannot be read (Permission denied); give the weights file"
    )


@pytest.mark.parametrize("file", ["huggingface/model.safetensors", "epoch_1.pt"])
def test_names_that_are_not_utf8(file: str, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"M\xfcller")
    folder.mkdir()
    path = folder / os.fsdecode(b"gr\xfcn" + os.fsencode(Path(file).suffix))
    shutil.copy(FILES / file, path)
    save_model(tmp_path / "model", open_model(path))
    assert "gr\N{REPLACEMENT CHARACTER}n" in open_model(tmp_path / "model").source
