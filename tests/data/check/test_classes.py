from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data.check.folder import check_folder
from tests.labelled_folder import NAMES, SIZE, found, make_folder, relabel


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_folder(tmp_path / "pets")
    return tmp_path / "pets"


def test_binary_masks(root: Path) -> None:
    for name in NAMES:
        relabel(root, name, lambda ids: np.where(ids == 0, 0, 255))
    (root / "classes.txt").write_text("background\ncat")
    findings = check_folder(root).findings
    assert [finding.level for finding in findings] == ["error", "warning"]
    assert "hold only 0 and the value for unlabelled (255" in findings[0].what
    assert findings[0].where == tuple(f"labels/{name}.png" for name in NAMES)
    assert findings[1].where == ("cat",)
    (root / "classes.txt").write_text("cat")
    assert check_folder(root).findings == []


@pytest.mark.parametrize(("ids", "what"), [((0,), "no label shows"), ((255,), "without a single")])
def test_labels_of_one_value_are_no_binary_masks(root: Path, ids: tuple[int, ...], what: str) -> None:
    for name in NAMES:
        relabel(root, name, lambda label: np.resize(ids, label.shape))
    assert [what in finding.what for finding in check_folder(root).findings] == [True]


def test_odd_ids_are_no_binary_masks(root: Path) -> None:
    for name in NAMES:
        relabel(root, name, lambda label: np.resize((0, 255, 128), label.shape))
    assert ["128" in f.what for f in check_folder(root).findings if f.level == "error"] == [True]


def test_binary_masks_in_one_split_may_be_meant(root: Path) -> None:
    for name in NAMES[4:]:
        relabel(root, name, lambda ids: np.where(ids == 0, 0, 255))
    found(root, *(f"labels/{name}.png" for name in NAMES[4:]), level="warning")


@pytest.mark.parametrize("has_background", [False, True])
def test_ids_that_are_one_too_large(root: Path, has_background: bool) -> None:
    for name in NAMES:
        relabel(root, name, lambda ids: np.where(ids == 255, 0 if has_background else 255, ids + 1))
    report = check_folder(root)
    finding = report.findings[0]
    assert finding.level == "error"
    assert "the id 3 is one more than the last: ids start at 0" in finding.what
    assert "the 3 classes of the list have the ids 0 to 2" in finding.what
    assert finding.where == tuple(f"labels/{name}.png" for name in NAMES)
    assert "subtract 1 from every id" in finding.fix
    assert ("write 255 where 0 is background" in finding.fix) == has_background
    # Without a 0 in any label, "cat" is never seen either.
    assert [other.where for other in report.findings[1:]] == ([] if has_background else [("cat",)])


def test_ids_that_start_at_1_below_the_length_of_the_list(root: Path) -> None:
    for name in NAMES:
        relabel(root, name, lambda ids: np.maximum(ids, 1))
    assert "if the ids start at 1, subtract 1" in found(root, "cat", level="warning").fix


def test_ids_beyond_the_list(root: Path) -> None:
    for name, t in (("train/b", 7), ("val/a", 3), ("val/b", 254)):
        relabel(root, name, lambda ids, t=t: np.where(ids == 0, t, ids))
    finding = found(root, "labels/train/b.png", "labels/val/a.png", "labels/val/b.png")
    assert "ids that are no class: 3, 7, 254; the 3 classes of the list have the ids 0 to 2" in finding.what


def test_colours_quantised_to_a_palette(root: Path) -> None:
    path = root / "labels/train/a.png"
    Image.fromarray(np.full(SIZE, 97, np.uint8)).save(path)
    indices = Image.open(path)
    indices.putpalette(list(range(256)) * 3)
    indices.save(path)
    assert "the indices and not the colours" in found(root, "labels/train/a.png (palette)").fix


def test_palette_labels_of_class_ids_are_fine(root: Path) -> None:
    for name in NAMES:
        with Image.open(root / f"labels/{name}.png") as label:
            label.putpalette(np.random.default_rng(0).integers(0, 256, 768).tolist())
            label.save(root / f"labels/{name}.png")
    assert check_folder(root).findings == []


def test_sixteen_bits(root: Path) -> None:
    for name in NAMES:
        relabel(root, name, lambda ids: np.where(ids == 255, 65535, ids), np.uint16)
    assert check_folder(root).findings == []
    assert (check_folder(root).splits["train"].unlabelled or 0) > 0
    relabel(root, "val/a", lambda ids: np.where(ids == 65535, 255, ids), np.uint16)
    assert "write 65535" in found(root, "labels/val/a.png").fix
    relabel(root, "val/a", lambda ids: np.where(ids == 0, 1000, ids), np.uint16)
    assert len(check_folder(root).findings) == 2


def test_255_is_a_class_of_a_long_list_with_sixteen_bits(root: Path) -> None:
    (root / "classes.txt").write_text("\n".join(f"thing {t}" for t in range(300)))
    relabel(root, "train/a", lambda ids: ids, np.uint16)
    (finding,) = check_folder(root).findings
    assert finding.level == "warning"
    assert "no label shows" in finding.what
    assert len(finding.where) == 300 - 4  # 0, 1, 2 and 255 are shown


def test_classes_that_no_label_shows(root: Path) -> None:
    (root / "classes.txt").write_text("cat\ntraffic light\nsky\nunicorn\nyeti")
    assert "subtract" not in found(root, "unicorn", "yeti", level="warning").fix


def test_classes_only_outside_of_train(root: Path) -> None:
    for name in NAMES[:4]:
        relabel(root, name, lambda ids: np.where(ids == 2, 255, ids))
    assert "none in train" in found(root, "sky", level="warning").what
    for split in ("images", "labels"):
        (root / split / "train").rename(root / split / "test")
    assert check_folder(root).findings == []  # nothing is trained here


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"cat\ncat\nsky", "line 1 and line 2 are both 'cat'"),
        (b"cat\n\nsky", "line 2 is ''"),
        (b"cat\nhu\xfct\nsky", "not UTF-8"),
    ],
)
def test_ids_are_checked_with_a_refused_class_list(root: Path, content: bytes, what: str) -> None:
    (root / "classes.txt").write_bytes(content)
    assert what in found(root, "classes.txt").what
    relabel(root, "val/a", lambda ids: ids + 3)
    findings = check_folder(root).findings
    assert [finding.level for finding in findings] == ["error", "error"]
    assert "with 3" in findings[1].what or "the 3 classes" in findings[1].what


@pytest.mark.parametrize("content", [None, b"", b"\n"])
def test_without_a_class_list_every_id_may_be_a_class(root: Path, content: bytes | None) -> None:
    (root / "classes.txt").unlink()
    if content is not None:
        (root / "classes.txt").write_bytes(content)
    found(root, "classes.txt")
    assert [summary.name for summary in check_folder(root).classes] == ["id 0", "id 1", "id 2"]


def test_another_class_list(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "two.txt"
    path.write_text("cat\ntraffic light")
    assert (
        "one more than the last"
        in found(root, *(f"labels/{name}.png" for name in NAMES), classes_file=str(path)).what
    )


def test_class_names_that_clip_does_not_read_well(root: Path) -> None:
    (root / "classes.txt").write_text("cat\ntraffic_light\nsky")
    finding = found(root, "traffic_light", level="warning")
    assert "'traffic light'" in finding.fix
    long = "very " * 80 + "blue sky"
    (root / "classes.txt").write_text(f"cat, , kitten\ntraffic light\n{long}")
    assert "77 tokens" in found(root, "cat, , kitten", f"{long[:57]}...").what
