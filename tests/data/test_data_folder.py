"""Roots below the folder of the environment variable HCLIP_JAX_DATA."""

import pytest

from hclip_jax.data.data_folder import VARIABLE, resolve_root
from hclip_jax.data.sources import open_source
from hclip_jax.errors import UserError
from tests import prepared_sets


@pytest.mark.parametrize(
    ("folder", "path"),
    [("/data", "/data/x"), ("/data/", "/data/x"), ("gs://bucket/data", "gs://bucket/data/x"), ("/", "/x")],
)
def test_tfds_names_are_below_the_data_folder(
    folder: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, folder)
    assert resolve_root("tfds:x") == path
    assert resolve_root("elsewhere/x") == "elsewhere/x"


def test_a_prepared_set_is_opened_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(prepared_sets.data()))
    assert len(open_source("tfds:pascal_voc_20", "val").class_names) == 20


def test_a_name_without_the_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(UserError, match=r"root is tfds:coco_stuff_171, but .* HCLIP_JAX_DATA is not set"):
        open_source("tfds:coco_stuff_171", "train")


@pytest.mark.parametrize("root", ["tfds:", "tfds:a/b", "tfds:../a", "tfds:.a"])
def test_a_path_in_place_of_a_name_is_refused(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/data")
    with pytest.raises(UserError, match="must be tfds:NAME"):
        resolve_root(root)
