import json
from pathlib import Path
from typing import Any

import pytest

from hclip_jax.config.build import to_dict
from hclip_jax.config.schema import Config
from hclip_jax.config.validate import from_dict
from hclip_jax.errors import UserError
from hclip_jax.training.workdir import (
    check_trained_class_names,
    check_workdir,
    claim_workdir,
    is_workdir,
    read_config_json,
    write_trained_class_names,
)
from tests.small_models import micro

# Fields that the weights do not depend on, and other values for them.
FREE = {
    "data.num_workers": 3,
    "train.log_every": 7,
    "train.checkpoint_every": 3,
    "train.max_to_keep": 9,
    "train.best_metric": "val/pACC",
    "train.log_to": ["tensorboard"],
    "train.evaluate_every": 2,
    "train.evaluate_first": True,
    "train.num_train_steps": 5,  # more: said by the training
    "evaluation.protocol": "single",
    "evaluation.num_images": 11,
    "evaluation.sets.val.root": "elsewhere",
}
BOUND = {
    "seed": 1,
    "clip.weights": "other.safetensors",
    "clip.text.num_layers": 3,
    "adapters.coft_radius": 0.5,
    "head.num_layers": 2,
    "model.dtype": "bfloat16",
    "model.head_dtype": "bfloat16",
    "prompts.synonyms": "mean",
    "data.root": "elsewhere",
    "data.crop_size": 16,
    "train.num_train_steps": 3,  # fewer
    "train.trainable": ("head",),
    "train.lr_multipliers.head": 0.5,
}


def changed(changes: dict[str, Any]) -> Any:
    tree = to_dict(micro())
    for path, value in changes.items():
        *groups, name = path.split(".")
        node = tree
        for group in groups:
            node = node[group]
        node[name] = value
    return from_dict(tree)


def test_a_new_directory_is_made_with_the_configuration_alone(tmp_path: Path) -> None:
    workdir = tmp_path / "runs" / "first"
    claim_workdir(workdir, micro())
    assert [path.name for path in workdir.iterdir()] == ["config.json"]
    assert from_dict(json.loads((workdir / "config.json").read_text())) == micro()


def test_a_directory_with_other_files_is_taken_and_they_stay(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    claim_workdir(tmp_path, micro())
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "config.json").exists()


def test_the_same_configuration_may_come_again(tmp_path: Path) -> None:
    claim_workdir(tmp_path, micro())
    before = (tmp_path / "config.json").read_bytes()
    claim_workdir(tmp_path, micro())
    assert (tmp_path / "config.json").read_bytes() == before


@pytest.mark.parametrize("path", FREE)
def test_what_the_weights_do_not_depend_on_may_change_and_is_written(path: str, tmp_path: Path) -> None:
    claim_workdir(tmp_path, micro())
    new = changed({path: FREE[path]})
    assert new != micro()
    claim_workdir(tmp_path, new)
    assert from_dict(json.loads((tmp_path / "config.json").read_text())) == new


@pytest.mark.parametrize("path", BOUND)
def test_anything_else_is_refused_by_name_and_the_file_stays(path: str, tmp_path: Path) -> None:
    claim_workdir(tmp_path, micro())
    before = (tmp_path / "config.json").read_bytes()
    with pytest.raises(UserError) as caught:
        claim_workdir(tmp_path, changed({path: BOUND[path], "train.log_every": 9}))
    message = str(caught.value)
    assert f"{tmp_path} holds a training of another configuration, which differs in {path};" in message
    assert "another work directory (and this one as --config.start, to start from its model)" in message
    assert ("may only grow" in message) is (path == "train.num_train_steps")
    assert (tmp_path / "config.json").read_bytes() == before


def test_all_differences_are_listed(tmp_path: Path) -> None:
    claim_workdir(tmp_path, micro())
    with pytest.raises(UserError, match=", ".join(sorted(BOUND))):
        claim_workdir(tmp_path, changed(BOUND))


def test_a_work_directory_of_a_version_without_new_fields_is_resumed(tmp_path: Path) -> None:
    old = to_dict(micro())
    del old["start"], old["data"]["ignore"]
    (tmp_path / "config.json").write_text(json.dumps(old))
    assert read_config_json(tmp_path) == micro()
    claim_workdir(tmp_path, micro())


def test_an_ablation_does_not_continue_shorter_trainings(tmp_path: Path) -> None:
    claim_workdir(tmp_path, micro())
    check_workdir(tmp_path, micro(num_train_steps=5))
    with pytest.raises(UserError, match=r"differs in train\.num_train_steps; .*config\.json$"):
        check_workdir(tmp_path, micro(num_train_steps=5), may_grow=False)


@pytest.mark.parametrize("train", [None, [], {}, {"num_train_steps": True}, {"num_train_steps": "4"}])
def test_an_unknown_number_of_steps_is_not_fewer(train: Any, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**to_dict(micro()), "train": train}))
    with pytest.raises(UserError, match="differs in train"):
        claim_workdir(tmp_path, micro())


def test_fields_of_another_version_count_as_differences(tmp_path: Path) -> None:
    old = to_dict(micro())
    old["train"]["momentum"] = 0.9
    del old["head"]["max_classes"]
    (tmp_path / "config.json").write_text(json.dumps(old))
    with pytest.raises(UserError, match=r"differs in head\.max_classes, train\.momentum;"):
        claim_workdir(tmp_path, micro())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"{", "cannot be read as JSON .*another --workdir"),
        (b"[1, 2]", "is no configuration; give another --workdir"),
        (b"3", "is no configuration"),
        (b"null", "is no configuration"),
        (b'"seed"', "is no configuration"),
        (b"\xff\xfe", "cannot be read as JSON"),
        (b"[" * 100_000, "cannot be read as JSON .nested too deeply"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "cannot be read as JSON"),
        (None, "is a folder, not a file"),
    ],
)
def test_a_file_that_is_no_configuration_is_named(content: bytes | None, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(UserError, match=rf"config\.json {reason}"):
        claim_workdir(tmp_path, micro())
    assert path.is_dir() or path.read_bytes() == content


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError, match="taken"):
        claim_workdir(tmp_path / "taken", micro())


def test_check_writes_nothing(tmp_path: Path) -> None:
    check_workdir(tmp_path / "new", micro())
    assert not list(tmp_path.iterdir())
    claim_workdir(tmp_path, micro())
    before = (tmp_path / "config.json").read_bytes()
    check_workdir(tmp_path, changed({"train.log_every": 9}))
    with pytest.raises(UserError, match="differs in seed;"):
        check_workdir(tmp_path, changed({"seed": 9}))
    assert (tmp_path / "config.json").read_bytes() == before


@pytest.mark.parametrize(
    ("names", "difference"),
    [
        (("dog", "cat", "sky"), "id 0 was 'cat' and is now 'dog'"),
        (("cat", "dog"), "id 2 was 'sky' and is now no class"),
        (("cat", "dog", "sky", "sea"), "id 3 was no class and is now 'sea'"),
    ],
)
def test_a_training_keeps_its_class_names(names: tuple[str, ...], difference: str, tmp_path: Path) -> None:
    check_trained_class_names(tmp_path, ("anything",))  # there is no training yet
    claim_workdir(tmp_path, micro())
    write_trained_class_names(tmp_path, ("cat", "dog", "sky"))
    (tmp_path / "metrics.jsonl").touch()
    check_trained_class_names(tmp_path, ("cat", "dog", "sky"))
    with pytest.raises(UserError, match=difference):
        check_trained_class_names(tmp_path, names)


def test_a_configuration_that_cannot_be_read_names_its_file(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"seed": 1}')
    with pytest.raises(UserError, match=rf"{path}: config\.clip is missing"):
        read_config_json(tmp_path)
    path.write_text("[" * 100_000)
    with pytest.raises(UserError, match=f"{path} cannot be read as JSON"):
        read_config_json(tmp_path)


def _check(workdir: Path, config: Config) -> None:
    check_workdir(workdir, config)
    check_trained_class_names(workdir, ("sky", "grass"))


@pytest.mark.parametrize("name", ["config.json", "classes.txt"])
def test_checkpoints_without_what_they_belong_to_are_refused(tmp_path: Path, name: str) -> None:
    """Otherwise a training would go on under another configuration or other class names."""
    config = micro()
    claim_workdir(tmp_path, config)
    write_trained_class_names(tmp_path, ("sky", "grass"))
    (tmp_path / "checkpoints/2").mkdir(parents=True)
    assert is_workdir(tmp_path)  # also without metrics.jsonl, which people do not copy
    (tmp_path / name).unlink()
    with pytest.raises(UserError, match=rf"has checkpoints but no {name}; restore that file"):
        _check(tmp_path, config)


def test_a_file_as_workdir_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(UserError, match=r"--workdir=.*run is a file; give a folder"):
        check_workdir(tmp_path / "run", micro())
