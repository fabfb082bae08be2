"""What a click does, without gradio."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hclip_jax.demo.answer import MAX_MEGAPIXELS, Answer, Question, answer
from hclip_jax.errors import UserError
from hclip_jax.images.image_io import FRAMES
from hclip_jax.inference.segmentation import Segmentation
from tests import trained

WORDS = "cat,red wall,sky"


@pytest.fixture
def image(tmp_path: Path) -> str:
    Image.fromarray(trained.RGB).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


def ask(folder: Path, segmenter: Any = None, **fields: Any) -> Answer:
    (folder / "files").mkdir()
    return answer(segmenter or trained.segmenter(), Question(**fields), folder / "files", "runs/mine")


def test_masks_and_files_hold_the_ids_of_the_segmenter(image: str, tmp_path: Path) -> None:
    found = ask(
        tmp_path, image=image, class_names=WORDS, background="road", threshold=0.5, opacity=0.3, fast=True
    )
    names = WORDS.split(",")
    expected = trained.segmenter()(image, names, background=["road"], threshold=0.5, fast=True)
    labels, overlay, summary = found.files
    assert [path.name for path in found.files] == ["photo.png", "photo_overlay.png", "photo.json"]
    with Image.open(labels) as label:
        np.testing.assert_array_equal(np.asarray(label), np.where(expected.ids < 0, 255, expected.ids))
    with Image.open(overlay) as written:
        np.testing.assert_array_equal(np.asarray(written), np.asarray(expected.overlay(0.3)))
    about = json.loads(summary.read_text())
    assert about == {"image": "photo.png", "model": "runs/mine", **expected.summary()}

    present = {expected.class_names[t]: t for t in np.unique(expected.ids) if t >= 0}
    assert {name.rpartition(" ")[0].rpartition(" ")[0] for _, name in found.masks} == set(present)
    for mask, name in found.masks:
        t = present[name.rpartition(" ")[0].rpartition(" ")[0]]
        np.testing.assert_array_equal(mask, np.float32(0.3) * (expected.ids == t))
        assert found.colours[name].startswith("#")
    np.testing.assert_array_equal(found.image, trained.RGB)


class Halves:
    """In place of a segmenter: the left half of each image is the first class, the right half unknown."""

    class_names = ()

    def __call__(self, image: np.ndarray, class_names: Any, **options: Any) -> Segmentation:
        height, width = image.shape[:2]
        ids = np.broadcast_to(np.where(np.arange(width) < width // 2, 0, -1), (height, width)).astype(
            np.int32
        )
        names = (*class_names, "background") if options["background"] else tuple(class_names)
        return Segmentation(image, names, ids, np.ones_like(ids, np.float32), lambda: np.zeros(()))


class Stripes(Halves):
    """All rows have a class, but the shares of 36 rows in percent sum to 99.99999999999999."""

    def __call__(self, image: np.ndarray, class_names: Any, **options: Any) -> Segmentation:
        ids = np.zeros(image.shape[:2], np.int32)
        for t in range(len(class_names)):
            ids[7 * t :] = t
        return Segmentation(image, class_names, ids, np.ones_like(ids, np.float32), lambda: np.zeros(()))


def test_nothing_is_unknown_where_all_pixels_have_a_class(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((36, 53, 3), np.uint8)).save(tmp_path / "a.png")
    found = ask(tmp_path, Stripes(), image=str(tmp_path / "a.png"), class_names="a,b,c,d,e,f")
    assert found.text == "53 x 36 pixels, 6 of 6 names found."


def test_a_large_image_is_shown_small_and_stored_whole(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((1000, 2000, 3), np.uint8)).save(tmp_path / "large.png")
    found = ask(
        tmp_path, Halves(), image=str(tmp_path / "large.png"), class_names="cat,dog", background="sky"
    )
    assert found.image.shape == (640, 1280, 3)
    ((mask, name),) = found.masks
    assert (mask.shape, name) == ((640, 1280), "cat 50.0 %")
    assert mask[:, :640].all()
    assert not mask[:, 640:].any()
    assert found.text == (
        "2000 x 1000 pixels, 1 of 3 names found. Not found: dog, background. Unknown: 50.0 %."
    )
    with Image.open(found.files[0]) as label:
        assert label.size == (2000, 1000)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"image": None}, "there is no image; upload one"),
        ({"class_names": " "}, "there are no class names; write them separated by commas"),
        ({"class_names": "cat,cat"}, "class names='cat,cat'"),
        ({"background": "a,,b"}, "background names='a,,b'"),
        ({"image": "{}/notes.png"}, "cannot read notes.png as an image"),
        ({"image": "{}/bomb.png"}, f"at most {MAX_MEGAPIXELS}"),
    ],
)
def test_every_wrong_use_is_a_sentence_without_paths(
    fields: dict[str, Any], message: str, image: str, tmp_path: Path
) -> None:
    (tmp_path / "notes.png").write_text("words")
    Image.new("1", (9000, 9000)).save(tmp_path / "bomb.png")
    fields = {name: value and value.format(tmp_path) for name, value in fields.items()}
    with pytest.raises(UserError) as error:
        ask(tmp_path, Halves(), **{"image": image, "class_names": WORDS, **fields})
    assert message in str(error.value)
    assert str(tmp_path) not in str(error.value)


def test_a_full_disk_is_a_sentence_without_paths(
    image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: object) -> None:
        raise UserError(f"{path} cannot be written (No space left on device); choose a folder with space")

    monkeypatch.setattr("hclip_jax.demo.answer.write_atomically", full)
    with pytest.raises(UserError, match=r"^photo\.json cannot be written \(No space"):
        ask(tmp_path, Halves(), image=image, class_names=WORDS)


def test_remarks_of_the_command_are_on_the_page(tmp_path: Path) -> None:
    frames = [Image.new("L", (20, 10), value) for value in (0, 255)]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    found = ask(tmp_path, Halves(), image=str(tmp_path / "two.gif"), class_names="空")
    assert found.text.endswith(f"Unknown: 50.0 %. The image {FRAMES}.")
    assert '"name": "空"' in found.files[2].read_text(encoding="utf-8")  # as in the file of the command
