"""Checkpoints of a small state: whole ones are read, damaged ones are named with the way on."""

import contextlib
import errno
import logging
import os
import re
import resource
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

from hclip_jax.errors import UserError
from hclip_jax.training import checksums
from hclip_jax.training.checkpoints import TrainCheckpoints, restore
from hclip_jax.training.choose import choose_checkpoint, list_steps, set_newer_aside
from tests import small_checkpoints
from tests.small_checkpoints import kernel, like, save


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workdir = tmp_path_factory.mktemp("small")
    save(workdir, 2, 4)
    return workdir


@pytest.fixture
def workdir(saved: Path, tmp_path: Path) -> Path:
    shutil.copytree(saved, tmp_path / "run")
    return tmp_path / "run"


def read(workdir: Path, step: int | None = None) -> float:
    chosen = choose_checkpoint(workdir, step)
    assert chosen is not None
    fields, data = restore(workdir, chosen, like())
    assert data == {"batches": chosen.step}
    return kernel(fields)


def test_the_newest_and_an_older_checkpoint_are_read(workdir: Path) -> None:
    assert (read(workdir), read(workdir, 2)) == (4.0, 2.0)
    with pytest.raises(UserError, match=r"run has no checkpoint of step 3; it has those of step 4, 2"):
        choose_checkpoint(workdir, 3)
    with pytest.raises(UserError, match=r"run has no checkpoint of step 3; it has none"):
        choose_checkpoint(workdir / "new/run", 3)
    assert choose_checkpoint(workdir / "new/run") is None


def test_fields_that_are_not_asked_for_are_not_read(workdir: Path) -> None:
    chosen = choose_checkpoint(workdir)
    assert chosen is not None
    fields, _ = restore(workdir, chosen, {name: like()[name] for name in ("step", "trainable")})
    assert set(fields) == {"step", "trainable"}
    assert kernel(fields) == 4.0


def first_file(folder: Path, pattern: str) -> Path:
    return next(path for path in sorted(folder.glob(pattern)) if path.is_file())


def cut(folder: Path) -> None:
    path = first_file(folder, "state/ocdbt.process_0/d/*")
    path.write_bytes(path.read_bytes()[:-1])


def flip(folder: Path) -> None:
    path = first_file(folder, "state/_METADATA")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def replace_by_a_pipe(folder: Path) -> None:
    (folder / "data/metadata").unlink()
    os.mkfifo(folder / "data/metadata")


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def replace_by_a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("")


def cut_the_list(folder: Path) -> None:
    path = folder / checksums.NAME
    path.write_bytes(path.read_bytes()[:-70])


DAMAGE: dict[Callable[[Path], object], str] = {
    cut: r"state/ocdbt\.process_0/d/\w+ was changed or cut",
    flip: "state/_METADATA was changed or cut",
    lambda folder: first_file(folder, "state/manifest.ocdbt").unlink(): r"state/manifest\.ocdbt is missing",
    lambda folder: shutil.rmtree(folder / "state"): "state/.* is missing",
    lambda folder: (folder / "state/_METADATA").write_bytes(
        b"[" * 100_000
    ): "state/_METADATA was changed or cut",
    replace_by_a_pipe: "data/metadata is missing",
    empty: "it is empty",
    replace_by_a_file: "it is not a folder",
    cut_the_list: r"checksums\.sha256 was changed or cut",
    lambda folder: (folder / checksums.NAME).write_bytes(b""): r"checksums\.sha256 was changed or cut",
    lambda folder: (folder / checksums.NAME).write_bytes(b"\xff"): r"checksums\.sha256 was changed or cut",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named_with_the_way_on(
    damage: Callable[[Path], object], workdir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    damage(workdir / "checkpoints/4")
    with pytest.raises(UserError) as caught:
        choose_checkpoint(workdir)
    pattern = (
        rf".*checkpoints/4 is damaged \({DAMAGE[damage]}\); copy it again, or give --checkpoint=2 to use"
    )
    assert re.match(pattern, str(caught.value)), caught.value
    assert read(workdir, 2) == 2.0
    assert "".join(capfd.readouterr()) == ""


def test_a_stray_folder_is_damaged_and_a_copy_under_another_step_is_noticed(workdir: Path) -> None:
    (workdir / "checkpoints/999").mkdir()
    with pytest.raises(UserError, match=r"checkpoints/999 is damaged \(it is empty\).*--checkpoint=4"):
        choose_checkpoint(workdir)
    (workdir / "checkpoints/999").rmdir()
    shutil.copytree(workdir / "checkpoints/4", workdir / "checkpoints/8")
    with pytest.raises(UserError, match=r"8 is damaged \(it is the checkpoint of step 4\).*--checkpoint=4"):
        choose_checkpoint(workdir)
    empty(workdir / "checkpoints/4")
    empty(workdir / "checkpoints/2")
    with pytest.raises(UserError, match=r"there is no older one, so copy it again, or train in another"):
        choose_checkpoint(workdir)


def test_foreign_files_do_not_matter(workdir: Path) -> None:
    for name in (".DS_Store", "notes.txt", "0005", "7.txt", "٣", "9.orbax-checkpoint-tmp"):
        (workdir / "checkpoints" / name).mkdir()
    for path in (workdir / "checkpoints/4").rglob("*"):
        if path.is_dir():
            (path / ".DS_Store").write_text("x")
    assert read(workdir) == 4.0
    save(workdir, 6)
    assert read(workdir) == 6.0
    assert not (workdir / "checkpoints/9.orbax-checkpoint-tmp").exists()  # left by a kill


def test_newer_checkpoints_are_set_aside(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        save(workdir, 6)
        (workdir / "checkpoints/999").mkdir(exist_ok=True)
        chosen = choose_checkpoint(workdir, 4)
        assert chosen is not None
        set_newer_aside(workdir, chosen)
        assert list_steps(workdir) == [2, 4]
    assert "newer checkpoints (6, 999) are moved to" in capsys.readouterr().out
    names = {path.name for path in (workdir / "checkpoints_set_aside").iterdir()}
    assert names == {"6", "6_2", "999", "999_2"}
    assert kernel(restore(workdir, chosen, like())[0]) == 4.0


def test_a_checkpoint_without_checksums_is_read_with_a_note(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workdir / "checkpoints/4" / checksums.NAME).unlink()
    assert read(workdir) == 4.0
    assert "checkpoints/4 has no checksums" in capsys.readouterr().out
    chosen = choose_checkpoint(workdir)
    assert chosen is not None
    other = {**like(), "trainable": {"head": {"kernel": jnp.zeros((5, 3))}}}
    with pytest.raises(UserError, match=r"checkpoints/4 is damaged .*--checkpoint=2"):
        restore(workdir, chosen, other)


def test_late_reports_of_a_failed_read_are_left_out_and_others_are_not(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[SimpleNamespace] = []
    monkeypatch.setattr(sys, "unraisablehook", shown.append)
    chosen = choose_checkpoint(workdir)
    assert chosen is not None
    for _ in range(2):
        with pytest.raises(UserError):
            restore(workdir, chosen, {**like(), "trainable": {"head": {"kernel": jnp.zeros((5, 3))}}})
        sys.unraisablehook(SimpleNamespace(exc_value=RuntimeError("Event loop is closed")))
        sys.unraisablehook(SimpleNamespace(exc_value=RuntimeError("another")))
    assert [str(report.exc_value) for report in shown] == ["another", "another"]


def test_a_folder_that_cannot_be_read_is_one_sentence(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(checksums, "sha256_of", denied)
    with pytest.raises(UserError, match=r"checkpoints/4 is damaged \(it cannot be read: Permission denied\)"):
        choose_checkpoint(workdir)
    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(UserError, match=r"checkpoints cannot be read \(Permission denied\)"):
        choose_checkpoint(workdir)


def test_every_checkpoint_has_its_checksums_before_its_name(workdir: Path) -> None:
    folder = workdir / "checkpoints/4"
    header, *lines = (folder / checksums.NAME).read_text().splitlines()
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    listed = {line.split("  ")[1] for line in lines}
    assert files - listed == {checksums.NAME, "_CHECKPOINT_METADATA", "commit_success.txt"}
    assert header == f"# step 4, {len(listed)} files"


@contextlib.contextmanager
def no_large_files() -> Iterator[None]:
    """Writing more than 300 bytes to a file fails for every library in the process, as on a full disk."""
    logger, limits = logging.getLogger("absl"), resource.getrlimit(resource.RLIMIT_FSIZE)
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # as commands do
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        logger.setLevel(level)


def test_a_full_disk_is_one_sentence_and_older_checkpoints_stay(
    workdir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with no_large_files(), pytest.raises(UserError) as caught, TrainCheckpoints(workdir, 9) as checkpoints:
        checkpoints.save(6, small_checkpoints.state(6), {})
    message = str(caught.value)
    assert message.startswith(f"a checkpoint cannot be written to {workdir}/checkpoints (File too large); ")
    assert "that of step 4 is kept: make space" in message
    assert read(workdir) == 4.0
    assert "".join(capfd.readouterr()) == ""


def test_restored_arrays_have_the_sharding_of_the_state(workdir: Path) -> None:
    chosen = choose_checkpoint(workdir)
    assert chosen is not None
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    sharding = jax.sharding.NamedSharding(mesh, jax.P())
    fields, _ = restore(workdir, chosen, jax.device_put(like(), sharding))
    assert all(leaf.sharding == sharding for leaf in jax.tree.leaves(fields))
