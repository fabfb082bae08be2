"""The file of a suite."""

import json
from pathlib import Path
from typing import Any

import pytest

from hclip_jax.datasets.catalogue import CATALOGUE
from hclip_jax.errors import UserError
from hclip_jax.evaluation.suite import Suite, built_in_suites, read_suite
from tests.bucket import bucket

ONE = {"name": "mine"}


def write(folder: Path, suite: Any) -> str:
    path = folder / "mine.json"
    path.write_text(suite if isinstance(suite, str) else json.dumps(suite))
    return str(path)


def test_the_suite_of_the_paper_has_its_six_sets_and_coco_stuff() -> None:
    assert built_in_suites() == ["paper"]
    suite = read_suite("paper")
    names = ["ade20k_847", "pascal_context_459", "ade20k_150", "pascal_context_59", "pascal_voc_20",
             "pascal_voc_20b", "coco_stuff_171"]  # fmt: skip
    assert [entry.name for entry in suite.sets] == [entry.benchmark for entry in suite.sets] == names
    assert (suite.name, suite.metric, suite.compare) == ("paper", "mIoU", ("H-CLIP", "CAT-Seg"))


def test_all_fields_are_read(tmp_path: Path) -> None:
    fields = {
        "name": "coco", "title": "COCO", "root": "/data/coco", "split": "test", "benchmark": "coco_stuff_171",
        "class_name_variant": "without_other", "fold_background": 3, "classes_of_interest": ["cat"],
        "domain": "general", "figures": {"H-CLIP ViT-B/16": 45.5},
    }  # fmt: skip
    suite = read_suite(
        write(tmp_path, {"title": "T", "metric": "mIoU_all", "compare": ["A"], "sets": [fields]})
    )
    (entry,) = suite.sets
    found = {name: getattr(entry, name) for name in fields}
    assert found == {**fields, "classes_of_interest": ("cat",)}
    assert (suite.title, suite.metric, suite.compare, suite.name) == ("T", "mIoU_all", ("A",), "mine")


def test_a_class_list_lies_beside_the_file(tmp_path: Path) -> None:
    suite = read_suite(write(tmp_path, {"sets": [{"name": "a", "classes_file": "names.txt"}]}))
    assert suite.sets[0].classes_file == str(tmp_path / "names.txt")


def test_a_suite_and_its_class_lists_may_lie_in_a_bucket(tmp_path: Path) -> None:
    local, remote = ONE | {"classes_file": "names.txt"}, {"name": "b", "classes_file": "gs://bucket/c.txt"}
    path = write(tmp_path, {"sets": [local, remote]})
    assert read_suite(path).sets[1].classes_file == "gs://bucket/c.txt"
    with bucket(tmp_path):
        found = read_suite(f"gs://bucket/{Path(path).name}")
    assert [entry.classes_file for entry in found.sets] == ["gs://bucket/names.txt", "gs://bucket/c.txt"]
    with pytest.raises(UserError, match=r"ftp://x/y.json is no address that can be read"):
        read_suite("ftp://x/y.json")


@pytest.mark.parametrize(
    ("suite", "message"),
    [
        ("[", "cannot be read as JSON"),
        ([], r"suite is \[\]; it must be a group of fields"),
        ({}, "suite.sets is missing; add it"),
        ({"sets": []}, r"suite.sets is \[\]; it must be a list of at least one set"),
        ({"sets": {}}, "suite.sets is {}; it must be a tuple"),
        ({"sets": [ONE], "metirc": "mIoU"}, "suite.metirc is not a field; .*; did you mean metric?"),
        ({"sets": [ONE], "metric": "IoU"}, "metric is 'IoU'; it must be one of mIoU, mIoU_all"),
        ({"sets": [ONE], "name": "x"}, "suite.name is 'x'; it must be left out"),
        ({"sets": [{"root": "x"}]}, r"suite.sets\[0\].name is missing; add it"),
        ({"sets": [{"name": "x", "rot": "y"}]}, r"sets\[0\].rot is not a field; .*; did you mean root?"),
        ({"sets": [{"name": "a/b"}]}, "suite.sets is 'a/b'; it must be names"),
        ({"sets": [{"name": "table"}]}, "'table'; it must be another name, because table.json"),
        ({"sets": [ONE, {"name": "Mine"}]}, r"sets\[1\].name is 'Mine'; it must be another name"),
        ({"sets": [ONE | {"benchmark": "ade20k_15"}]}, "did you mean ade20k_150"),
        ({"sets": [ONE | {"fold_background": -1}]}, "fold_background is -1; it must be 0 or more"),
        ({"sets": [ONE | {"figures": {"H-CLIP": 101}}]}, "figures.H-CLIP is 101.0; it must be at most 100"),
        ({"sets": [ONE | {"figures": {"H-CLIP": "12"}}]}, "it must be a number"),
        ('{"sets": [{"name": "a", "figures": {"H-CLIP": NaN}}]}', "is nan; it must be 0 or more"),
        ({"sets": [ONE | {"classes_of_interest": "cat"}]}, "of_interest is 'cat'; it must be a tuple"),
        ({"sets": [ONE | {"class_name_variant": "x"}]}, "only a set with a benchmark has variants"),
        (
            {"sets": [ONE | {"class_name_variant": "x", "benchmark": "pascal_context_459"}]},
            "'x'; it must be one of with_blanks",
        ),
        (
            {"sets": [ONE | {"class_name_variant": "x", "benchmark": "pascal_voc_20"}]},
            "it must be left out .pascal_voc_20 has no variants",
        ),
        ({"sets": [ONE | {"class_name_variant": "x", "classes_file": "y"}]}, "left out with a classes_file"),
    ],
)  # fmt: skip
def test_each_mistake_is_one_sentence(suite: Any, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, suite)
    with pytest.raises(UserError, match=message) as error:
        read_suite(path)
    assert path in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_suite_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"the suite papr does not exist; .*did you mean paper"):
        read_suite("papr")
    with pytest.raises(UserError, match="the built-in suites are paper"):
        read_suite("mess.json")


def test_some_sets_keep_the_order_of_the_suite() -> None:
    suite = suite_of_paper().only(["coco_stuff_171", "ade20k_847"])
    assert [entry.name for entry in suite.sets] == ["ade20k_847", "coco_stuff_171"]
    with pytest.raises(UserError, match="the suite paper has no set 'ade20k15'; did you mean ade20k_150"):
        suite_of_paper().only(["ade20k15"])


def suite_of_paper() -> Suite:
    return read_suite("paper")


def test_the_suite_has_every_data_set_with_figures_of_h_clip() -> None:
    with_figures = {key for key, dataset in CATALOGUE.items() if "H-CLIP ViT-B/16" in dataset.figures}
    assert with_figures <= {entry.benchmark for entry in suite_of_paper().sets}
