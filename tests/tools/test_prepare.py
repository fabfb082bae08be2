"""`hclip prepare` as a person calls it."""

import zipfile
from pathlib import Path

import pytest

from hclip_jax.datasets.catalogue import CATALOGUE
from hclip_jax.tools.prepare import main
from tests.datasets.conftest import SAMPLES
from tests.tools.calling import Capture, refuse, succeed


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("official")
    with zipfile.ZipFile(SAMPLES) as archive:
        archive.extractall(folder)
    return folder / "synthetic"


def test_the_list(capsys: Capture) -> None:
    out = succeed(main, "--list", capture=capsys)
    for key, dataset in CATALOGUE.items():
        assert f"| {key} " in out
        assert all(archive.url in out and archive.checksum in out for archive in dataset.archives)
    assert "register: https://ade20k.csail.mit.edu/request_data" in out


def test_one_set(source: Path, tmp_path: Path, capsys: Capture) -> None:
    argv = ["pascal_voc_20", f"--source={source}", f"--target={tmp_path / 'data'}"]
    assert "pascal_voc_20: 3 of 1,449 validation images" in refuse(main, *argv, capture=capsys)
    assert not (tmp_path / "data").exists()
    out = succeed(main, *argv, "--partial", capture=capsys)
    assert f"prepared in {tmp_path / 'data/pascal_voc_20'}" in out
    assert "| val   | 3 of 1,449 (partial), 1 left out |     20 of 20 |" in out
    assert succeed(main, *argv, "--partial", capture=capsys).endswith("pascal_voc_20 is prepared already\n")


def test_verify_only(source: Path, tmp_path: Path, capsys: Capture) -> None:
    argv = ["coco_stuff_171", f"--source={source}", "--verify-only"]
    assert "3 of 118,287 training images" in refuse(main, *argv, capture=capsys)
    out = succeed(main, *argv, "--partial", f"--target={tmp_path / 'data'}", capture=capsys)
    assert "verified, nothing written" in out
    assert not (tmp_path / "data").exists()


def test_all_prepares_what_is_there(source: Path, tmp_path: Path, capsys: Capture) -> None:
    argv = ["all", f"--source={source / 'VOCdevkit'}", f"--target={tmp_path}", "--format=folder", "--partial"]
    assert main(argv) == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert "not prepared: coco_stuff_171: images/val2017/*.jpg with" in out
    assert out.endswith("4 of 7 data sets prepared; not: coco_stuff_171, ade20k_847, ade20k_150\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "pascal_context_459",
        "pascal_context_59",
        "pascal_voc_20",
        "pascal_voc_20b",
    ]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ((), "NAME is missing; give a data set of hclip prepare --list, or all"),
        (("ade20k_150",), "--source=DIR is missing"),
        (("ade20k_150", "--source=x"), "--target=DIR is missing"),
        (
            ("ade150", "--source=x", "--target=y"),
            "'ade150' is not a data set that can be prepared; did you mean ade",
        ),
        (("ade20k_150", "--source=nowhere", "--target=y"), "the source nowhere is no folder"),
    ],
)
def test_wrong_use(argv: tuple[str, ...], message: str, capsys: Capture) -> None:
    assert message in refuse(main, *argv, capture=capsys)
