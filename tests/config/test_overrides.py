"""Tests of changes of fields and of configuration files that are no configurations."""

from pathlib import Path
from typing import Any

import pytest

from hclip_jax.config.build import to_dict
from hclip_jax.config.overrides import apply_overrides, read_config
from hclip_jax.config.validate import from_dict
from hclip_jax.errors import UserError
from tests.small_models import micro


def test_the_last_change_of_a_field_counts() -> None:
    config = apply_overrides(
        to_dict(micro()), ["--config.seed=many", "--config.train.batch_size=3", "--config.seed=7"]
    )
    assert (config.seed, config.train.batch_size) == (7, 3)


def test_a_method_given_twice_keeps_what_the_configuration_changed() -> None:
    twice = ["--config.adapters.method=lora", "--config.adapters.method=oft"]
    assert apply_overrides(to_dict(micro()), twice) == apply_overrides(to_dict(micro()), twice[1:])


@pytest.mark.parametrize("status", ["0", "1", "", "'enough'"])
def test_a_configuration_that_exits_is_refused(tmp_path: Path, status: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(f"import sys\nsys.exit({status})\n")
    with pytest.raises(UserError, match=r"cannot be used \(SystemExit"):
        read_config(str(file))


@pytest.mark.parametrize("value", ["-" * 5000 + "1", "[" * 5000])
def test_a_value_nested_too_deeply_is_refused_like_any_other(value: str) -> None:
    with pytest.raises(UserError, match=r"config\.seed is .*a whole number"):
        apply_overrides(to_dict(micro()), [f"--config.seed={value}"])


@pytest.mark.parametrize("method", [["lora"], 1, None, {}])
def test_a_method_that_is_no_text_is_refused(method: Any) -> None:
    tree = {**to_dict(micro()), "adapters": {"method": method}}
    with pytest.raises(UserError, match=r"config\.adapters\.method is .*one of hclip"):
        from_dict(tree)
    assert apply_overrides(tree, ["--config.adapters.method=none"]).adapters.method == "none"


@pytest.mark.parametrize("name", ["../../x", "a/b", "", ".", "..", ".x", "/x", "a\nb", "a" * 101, 3.5j])
def test_a_name_of_an_evaluation_set_that_is_no_file_name_is_refused(name: Any) -> None:
    tree = to_dict(micro())
    tree["evaluation"]["sets"] = {name: next(iter(tree["evaluation"]["sets"].values()))}
    with pytest.raises(UserError, match=r"config\.evaluation\.sets is .*letters, digits"):
        from_dict(tree)


@pytest.mark.parametrize("name", ["val", "PAS-20b", "pc_59", "v1.2"])
def test_usual_names_of_evaluation_sets(name: str) -> None:
    tree = to_dict(micro())
    tree["evaluation"]["sets"] = {name: next(iter(tree["evaluation"]["sets"].values()))}
    assert list(from_dict(tree).evaluation.sets) == [name]


TINY_ON_FOLDER = "--config.data.root=photos"


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ([], ["open", "synonyms", "val"]),
        ([TINY_ON_FOLDER], ["val"]),
        ([TINY_ON_FOLDER, "--config.evaluation.sets.open.split=test"], ["open", "val"]),
        (["--config.evaluation.sets.open=None"], ["synonyms", "val"]),
        ([f"--config.evaluation.sets.{name}=None" for name in ("open", "val", "synonyms")], []),
    ],
)
def test_the_sets_of_the_built_in_scenes_belong_to_the_scenes(changes: list[str], names: list[str]) -> None:
    assert list(read_config("tiny", changes).evaluation.sets) == names


def test_a_file_with_another_data_set_has_no_sets_of_the_scenes(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    lines = ("from hclip_jax.configs import tiny", "def get_config():", "    c = tiny.get_config()")
    file.write_text("\n".join((*lines, "    c.data.root = 'photos'", "    return c")))
    assert list(read_config(str(file)).evaluation.sets) == ["val"]


def test_only_a_set_that_exists_can_be_left_out() -> None:
    with pytest.raises(UserError, match=r"sets has no opne to leave out; it has open, synonyms, val"):
        read_config("tiny", ["--config.evaluation.sets.opne=None"])


def test_a_start_takes_the_place_of_clips_weights() -> None:
    start, weights = "--config.start=runs/tiny", "--config.clip.weights=ViT-B-16.pt"
    config = read_config("tiny", [start])
    assert (config.start, config.clip.weights) == ("runs/tiny", "")
    assert read_config("tiny", ["--config.start="]).clip.weights == "tiny"
    for both in ([start, weights], [weights, start]):
        with pytest.raises(UserError, match=r"config.start is 'runs/tiny' and config.clip.weights is 'ViT-B"):
            read_config("tiny", both)
