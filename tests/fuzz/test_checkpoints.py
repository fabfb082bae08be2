"""Damaged checkpoints: the weights that were written, or a refusal in one sentence, and nothing printed."""

import random
import shutil
from pathlib import Path

import pytest

from hclip_jax.training.checkpoints import restore
from hclip_jax.training.checksums import NAME, find_damage
from hclip_jax.training.choose import choose_checkpoint
from tests.fuzz.mutate import mutated, outcome
from tests.small_checkpoints import kernel, like, save


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_every_changed_file_is_found_by_its_checksum(tmp_path: Path) -> None:
    folder, generator = save(tmp_path, 4), random.Random(0)
    contents = {path: path.read_bytes() for path in files(folder)}
    for number in range(1000):
        path = list(contents)[number % len(contents)]
        changed = mutated(contents[path], generator)
        path.write_bytes(changed)
        damage = find_damage(folder, 4)
        harmless = changed == contents[path] or path.name in ("_CHECKPOINT_METADATA", "commit_success.txt")
        if harmless and path.parent == folder:
            assert damage == ""
        elif path.name == NAME:  # a change of its last newline does not matter
            assert damage or changed.removesuffix(b"\n") == contents[path].removesuffix(b"\n")
        else:
            assert bool(damage) == (changed != contents[path]), path
        assert (damage or "").isprintable()
        path.write_bytes(contents[path])


def test_files_that_go_away_are_found(tmp_path: Path) -> None:
    folder = save(tmp_path, 4)
    for path in files(folder):
        content = path.read_bytes()
        path.unlink()
        if path.parent == folder:  # the list itself, and times that are not read
            assert not find_damage(folder, 4)
        else:
            assert find_damage(folder, 4) == f"{path.relative_to(folder)} is missing"
        path.write_bytes(content)


@pytest.mark.slow
def test_without_checksums_orbax_refuses_in_one_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """As older versions wrote them: damage of the arrays may pass, but nothing else does."""
    whole, generator = save(tmp_path / "whole", 4), random.Random(0)
    (whole / NAME).unlink()
    workdir, refused = tmp_path / "run", 0
    for number in range(12):
        shutil.rmtree(workdir, ignore_errors=True)
        folder = workdir / "checkpoints/4"
        shutil.copytree(whole, folder)
        path = files(folder)[number % len(files(folder))]
        path.unlink() if number % 3 == 0 else path.write_bytes(mutated(path.read_bytes(), generator))
        chosen = choose_checkpoint(workdir)
        assert chosen is not None
        result = outcome(lambda chosen=chosen: restore(workdir, chosen, like()))
        refused += result is None
        assert result is None or kernel(result[0]) == 4.0 or path.parent.name == "d"
    assert refused > 3
    captured = capfd.readouterr()
    assert captured.err == ""
    assert captured.out.count("\n") == captured.out.count("has no checksums")
