"""Sets of a suite that are there, are missing, or contradict it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hclip_jax.config.schema import EvaluationSet
from hclip_jax.config.validate import from_config_dict
from hclip_jax.data.data_folder import VARIABLE
from hclip_jax.errors import UserError
from hclip_jax.evaluation.suite import Suite, SuiteSet, read_suite
from hclip_jax.evaluation.suite_sets import MissingSet, OpenSet, is_same_set, open_sets
from tests import prepared_sets
from tests.labelled_folder import make_folder
from tests.small_models import micro_dict


def open_one(entry: SuiteSet, folder: Path | str = "", num_images: int = 0) -> OpenSet:
    (one,) = open_sets(Suite((entry,)), str(folder), num_images)
    assert isinstance(one, OpenSet), one.reason
    return one


def test_every_set_has_its_own_class_names_and_folding() -> None:
    sets = open_sets(read_suite("paper"), str(prepared_sets.data()))
    found = {}
    for one in sets:
        assert isinstance(one, OpenSet)
        labelled = one.labelled
        found[one.entry.title] = len(labelled.source.class_names), len(labelled.scored_names)
        assert not one.is_official
        assert one.images.endswith("(partial)")
        assert labelled.num_images == len(labelled.source)
    assert found == {
        "A-847": (847, 847), "PC-459": (459, 459), "A-150": (150, 150), "PC-59": (59, 59), "PAS-20": (20, 20),
        "PAS-20b": (59, 21), "COCO-Stuff": (171, 171),
    }  # fmt: skip


def test_sets_that_are_not_there_are_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    entries = (
        SuiteSet("ade20k_150", benchmark="ade20k_150"),
        SuiteSet("mine"),
        SuiteSet("broken"),
        SuiteSet("split", root=str(prepared_sets.data() / "pascal_voc_20"), split="train"),
    )
    sets = open_sets(Suite(entries), str(tmp_path))
    reasons = [one.reason for one in sets if isinstance(one, MissingSet)]
    assert reasons[0] == (
        f"not prepared: {tmp_path}/ade20k_150 does not exist (hclip prepare ade20k_150 --source=DIR "
        f"--target={tmp_path})"
    )
    assert reasons[1] == f"not prepared: {tmp_path}/mine does not exist"
    assert str(tmp_path / "broken") in reasons[2]
    assert "has no split 'train'" in reasons[3]


def test_the_given_folder_replaces_the_variable_for_roots_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = SuiteSet("voc", root="tfds:pascal_voc_20")
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert open_one(entry, prepared_sets.data()).root == str(prepared_sets.data() / "pascal_voc_20")
    monkeypatch.delenv(VARIABLE)
    assert open_one(entry, prepared_sets.data()).root == str(prepared_sets.data() / "pascal_voc_20")


def test_a_relative_root_needs_a_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    (one,) = open_sets(Suite((SuiteSet("mine"),)), "")
    assert isinstance(one, MissingSet)
    assert one.reason == f"no data folder is given: give --data=DIR or set {VARIABLE}"


def test_a_labelled_folder_of_ones_own(tmp_path: Path) -> None:
    make_folder(tmp_path / "mine")
    one = open_one(SuiteSet("mine", split="train"), tmp_path)
    assert (one.images, one.is_official, one.benchmark) == (f"{len(one.labelled.source)}", True, "")


def test_fewer_images_are_evenly_spread(tmp_path: Path) -> None:
    make_folder(tmp_path / "mine")
    one = open_one(SuiteSet("mine", split="train"), tmp_path, num_images=2)
    whole = open_one(SuiteSet("mine", split="train"), tmp_path).labelled.source
    source = one.labelled.source
    assert [source[i]["name"] for i in range(len(source))] == [
        whole[0]["name"],
        whole[len(whole) // 2]["name"],
    ]
    assert one.images == f"2 of {len(whole)} (evenly spread)"
    assert not one.is_official


def test_a_variant_of_the_class_names_replaces_them() -> None:
    entry = SuiteSet("pascal_context_459", benchmark="pascal_context_459", class_name_variant="with_blanks")
    names = open_one(entry, prepared_sets.data()).labelled.source.class_names
    assert "air conditioner" in names
    published = open_one(replace(entry, class_name_variant=""), prepared_sets.data())
    assert "airconditioner" in published.labelled.source.class_names


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (SuiteSet("pascal_voc_20", fold_background=20), "fold_background 20; it must be less than its 20"),
        (
            SuiteSet("pascal_voc_20", classes_of_interest=("cats",)),
            "the class of interest 'cats', which is no",
        ),
        (SuiteSet("pascal_voc_20", benchmark="ade20k_150"), "has 20 classes, but its benchmark ade20k_150"),
        (
            SuiteSet("pascal_voc_20", benchmark="pascal_context_459", class_name_variant="with_blanks"),
            "has 20 classes, but the variant with_blanks",
        ),
    ],
)
def test_a_suite_that_contradicts_a_set_is_refused(entry: SuiteSet, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_sets(Suite((entry,)), str(prepared_sets.data()))


def test_the_same_set_of_a_configuration_is_found() -> None:
    folder = prepared_sets.data()
    one = open_one(SuiteSet("pascal_voc_20"), folder)
    data = from_config_dict(micro_dict()).data
    data = replace(data, root=str(folder / "pascal_context_459" / ".." / "pascal_voc_20"))
    entry = EvaluationSet(root="", classes_file="", label_set="", split="val", fold_background=0)
    assert is_same_set(entry, data, one)
    assert not is_same_set(replace(entry, split="train"), data, one)
    assert not is_same_set(replace(entry, classes_file="x"), data, one)
    assert not is_same_set(replace(entry, root=str(folder / "pascal_voc_20b")), data, one)
    assert not is_same_set(replace(entry, root="scenes"), data, one)
    folded = open_one(SuiteSet("pascal_voc_20b"), folder)
    entry = replace(entry, root=folded.root)
    assert not is_same_set(entry, data, folded)
    assert is_same_set(replace(entry, fold_background=20), data, folded)


def test_broken_state_of_a_prepared_set_is_a_reason(tmp_path: Path) -> None:
    make_folder(tmp_path / "mine")
    (tmp_path / "mine/metadata.json").write_text(json.dumps({"key": "mine", "splits": 3}))
    (one,) = open_sets(Suite((SuiteSet("mine", split="train"),)), str(tmp_path))
    assert isinstance(one, MissingSet)
    assert "metadata.json is not the state of a set" in one.reason
