"""Images that `hclip segment` skips, and what it says of them."""

from pathlib import Path

import pytest

from hclip_jax.inference import segment_images
from tests.tools.segment_results import Command, names, written


def test_broken_image_is_skipped(segment: Command, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = (photos / "a.png").read_bytes()
    (photos / "[bold]torn.png").write_bytes(whole[: len(whole) // 2])
    (photos / "empty:cat:.jpg").write_bytes(b"")
    assert segment(photos) == 1
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"skipped: cannot read {photos / '[bold]torn.png'} as an image")
    assert lines[1].startswith(f"skipped: cannot read {photos / 'empty:cat:.jpg'} as an image: it is empty")
    assert lines[2].startswith("3 of 5 images are segmented")
    assert written(photos) == names("a", "b [1]", "c")


def test_image_whose_probabilities_are_too_large_is_skipped(
    segment: Command, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(segment_images, "_MAX_PROBABILITY_BYTES", 4 * 2 * 30 * 40)
    assert segment(photos, "--classes=cat,sky") == 0  # probabilities are not computed
    for path in (photos.parent / "out").iterdir():
        path.unlink()
    capsys.readouterr()
    assert segment(photos, "--classes=cat,sky", "--probabilities") == 1
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"skipped: {photos / 'b [1].PNG'}: probabilities of 2 names at 32 x 44 pixels")
    assert lines[1].startswith("2 of 3 images are segmented")
    assert written(photos) == sorted([*names("a", "c"), "a.npz", "c.npz"])


def test_too_large_images_are_skipped_with_their_size(
    segment: Command, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert segment(photos / "a.png", photos / "c.jpg", "--max_megapixels=0.001") == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert f"skipped: {photos / 'a.png'} has 40 x 30 pixels" in lines[0]
    assert "--max_megapixels" in lines[0]
    assert written(photos) == names("c")


def test_a_large_image_that_is_not_tiled_is_noted_once(
    segment: Command, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hclip_jax.tools.segment_images.LARGE_PIXELS", 1000)
    assert segment(photos) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("note: images of more than 33 megapixels were resized")
