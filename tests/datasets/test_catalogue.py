"""The descriptions of the data sets, and their data files."""

import hashlib

import numpy as np
import pytest

from hclip_jax.datasets.catalogue import CATALOGUE, dataset
from hclip_jax.datasets.package_files import class_names, image_names, lookup_table, raw_ids
from hclip_jax.datasets.verify import names_sha256
from hclip_jax.errors import UserError

# sha256 of the names, one a line: of the published lists.
NAMES = {
    "coco_stuff_171": (171, "183abbcf"),
    "ade20k_150": (150, "e1f88232"),
    "ade20k_847": (847, "d0c9d0c5"),
    "pascal_context_59": (59, "c675e504"),
    "pascal_context_459": (459, "792829e1"),
    "pascal_voc_20": (20, "f1486177"),
    "pascal_voc_20b": (59, "878be81f"),
    "cityscapes_19": (19, "48cab81b"),
}


@pytest.mark.parametrize("key", NAMES)
def test_class_names(key: str) -> None:
    names = CATALOGUE[key].class_names
    digest = hashlib.sha256("".join(f"{name}\n" for name in names).encode()).hexdigest()
    assert (len(names), digest[:8]) == NAMES[key]


def test_variants_of_class_names() -> None:
    for key, entry in CATALOGUE.items():
        for variant in entry.class_name_variants:
            assert len(class_names(key, variant)) == len(class_names(key))
    with_blanks = class_names("pascal_context_459", "with_blanks")
    assert [name.replace(" ", "") for name in with_blanks] == list(class_names("pascal_context_459"))
    assert sum(" " in name for name in with_blanks) == 94  # of the official labels.txt
    assert (with_blanks[2], with_blanks[62]) == ("air conditioner", "casette recorder")
    without_other = class_names("coco_stuff_171", "without_other")
    changed = {a: b for a, b in zip(class_names("coco_stuff_171"), without_other, strict=True) if a != b}
    assert len(changed) == 17
    assert all(a in (f"{b}-other", f"{b}-stuff") for a, b in changed.items())
    with pytest.raises(UserError, match="coco_stuff_171 has no variant 'x' of its class names: give without"):
        class_names("coco_stuff_171", "x")
    with pytest.raises(UserError, match=r"pascal_voc_20 has no variant 'x' .* the published names alone"):
        class_names("pascal_voc_20", "x")


def test_keys_and_figures() -> None:
    assert CATALOGUE.keys() == NAMES.keys()
    for key, entry in CATALOGUE.items():
        assert entry.key == key
        assert entry.in_paper == (key != "cityscapes_19")
        assert bool(entry.figures) == (key not in ("coco_stuff_171", "cityscapes_19"))
        assert all(value < 20 if key == "ade20k_847" else value < 100 for value in entry.figures.values())
    assert CATALOGUE["pascal_voc_20b"].fold_background == 20
    assert CATALOGUE["pascal_voc_20b"].figures["H-CLIP ViT-B/16"] == 78.2


def test_the_validation_images_of_pascal_context() -> None:
    official = CATALOGUE["pascal_context_459"].splits["val"]
    names = image_names("pascal_context_459")
    assert len(names) == official.num_images == 5104
    assert names_sha256(names) == official.names_sha256


def test_raw_ids() -> None:
    coco = lookup_table("coco_stuff_171", 256, np.uint8)
    unused = [11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90]
    assert np.flatnonzero(coco == 255).tolist() == [*unused, *range(182, 256)]
    assert coco[[0, 92, 181]].tolist() == [0, 81, 170]
    assert raw_ids("ade20k_847")[[0, 1, 8]].tolist() == [2978, 312, 2377]
    assert len(raw_ids("pascal_context_59")) == 59


def test_an_unknown_name() -> None:
    assert dataset("ade20k_150") is CATALOGUE["ade20k_150"]
    with pytest.raises(UserError, match=r"'ade20k' is not a data set .*; did you mean ade20k_"):
        dataset("ade20k")
    with pytest.raises(UserError, match="the data sets are coco_stuff_171, ade20k_847"):
        dataset("xyz")
