"""`hclip prepare` as a person calls it."""

import zipfile
from pathlib import Path

import pytest

from hclip_jax.datasets.catalogue import CATALOGUE
from hclip_jax.tools.prepare import main
from tests.datasets.cityscapes import make_cityscapes
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
        assert f"\n{key}\n  licence: {dataset.terms}" in out
    assert "register: https://ade20k.csail.mit.edu/request_data" in out
    assert "95.2" in out
    assert "21 (59 names)" in out


def test_one_set(source: Path, tmp_path: Path, capsys: Capture) -> None:
    argv = ["pascal_voc_20", f"--source={source}", f"--target={tmp_path / 'data'}"]
    assert "pascal_voc_20: 3 of 1,449 validation images" in refuse(main, *argv, capture=capsys)
    assert not (tmp_path / "data").exists()
    out = succeed(main, *argv, "--partial", capture=capsys)
    assert f"prepared in {tmp_path / 'data/pascal_voc_20'}" in out
    assert "| val   | 3 of 1,449 (partial), 1 left out |     20 of 20 |" in out
    again = succeed(main, *argv, "--partial", capture=capsys)
    assert again.startswith("val: 3 of 1,449 (partial)\n")
    assert again.endswith("pascal_voc_20 is prepared already\n")
    folder = refuse(main, *argv, "--partial", "--format=folder", capture=capsys)
    assert "is prepared with --format=tfds: give another --target for --format=folder" in folder


def test_other_labels(source: Path, tmp_path: Path, capsys: Capture) -> None:
    argv = [f"--source={source}", f"--target={tmp_path}", "--labels=mat", "--partial"]
    out = succeed(main, "pascal_context_59", *argv, capture=capsys)
    assert "| val   | 2 of 5,104 (partial, labels: mat, not comparable) |" in out
    assert "--labels=mat is for one data set" in refuse(main, "all", *argv, capture=capsys)
    assert "ade20k_150 has no labels 'mat'" in refuse(main, "ade20k_150", *argv, capture=capsys)


def test_all_with_cityscapes(tmp_path: Path, capsys: Capture) -> None:
    make_cityscapes(tmp_path / "cityscapes")
    assert main(["all", f"--source={tmp_path}", "--verify-only", "--partial"]) == 1
    out = capsys.readouterr().out
    assert f"cityscapes_19 of {tmp_path / 'cityscapes'}: verified, nothing written" in out
    assert "\n1 of 8 data sets verified; not: coco_stuff_171, " in out


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
        (("all", "--source=nowhere", "--target=y"), "the source nowhere is no folder"),
        (
            ("all", "--source=x", "--target=gs://bucket/data"),
            "gs://bucket/data is an address; give a path of this machine",
        ),
    ],
)
def test_wrong_use(argv: tuple[str, ...], message: str, capsys: Capture) -> None:
    assert message in refuse(main, *argv, capture=capsys)
