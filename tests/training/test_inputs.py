"""inputs.json, and what it notices between two runs in one work directory."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from hclip_jax.config.schema import Config
from hclip_jax.data.scenes.source import ScenesSource
from hclip_jax.errors import UserError
from hclip_jax.load import open_model
from hclip_jax.sharding import make_mesh
from hclip_jax.training import loop
from hclip_jax.training.inputs import (
    Inputs,
    check_class_names,
    clip_fingerprint,
    data_change,
    find_inputs,
    read_inputs,
    write_inputs,
)
from hclip_jax.training.workdir import write_trained_class_names
from hclip_jax.weights.checkpoint import Checkpoint
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.model_directory import save_model
from tests import trained
from tests.small_models import micro

CLASS_NAMES = ScenesSource("train", "shapes").class_names
OLD = Inputs("0" * 64, "b", 1200, "a")
DIGEST = find_inputs(micro(), {}, ScenesSource("train", "shapes")).class_digest


def save_clip(target: Path, scale: float) -> None:
    clip = {"clip": jax.tree.map(lambda x: np.asarray(x) * np.float32(scale), trained.params()["clip"])}
    arrays: Any = flatten_dict(clip, sep="/")
    params = {name: LazyArray.of(array) for name, array in arrays.items()}
    save_model(target, Checkpoint("clip", "clip", micro().clip, None, params))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A configuration whose frozen CLIP lies in a model directory."""
    save_clip(tmp_path / "clip", 1.0)
    return dataclasses.replace(
        micro(), clip=dataclasses.replace(micro().clip, weights=str(tmp_path / "clip"))
    )


def test_replaced_weights_of_the_same_sizes_are_refused(config: Config, tmp_path: Path) -> None:
    workdir = trained.train(tmp_path / "run", config)
    write_trained_class_names(workdir, CLASS_NAMES)
    fingerprint = clip_fingerprint(config, trained.params()["clip"])
    write_inputs(workdir, Inputs(fingerprint, DIGEST, 2000, "scenes"))
    assert open_model(workdir).fingerprint() == fingerprint
    (tmp_path / "clip").rename(tmp_path / "old")
    save_clip(tmp_path / "clip", 1.5)
    pattern = f"{tmp_path}/clip is not the CLIP that {workdir} was trained on .*it was {fingerprint[:16]}"
    with pytest.raises(UserError, match=pattern):
        open_model(workdir)
    with pytest.raises(UserError, match=pattern):
        loop.train(config, workdir, make_mesh(1))


def test_a_changed_data_set_is_one_line_and_training_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workdir = trained.train(tmp_path / "run")  # all steps are done, so no step is compiled
    write_trained_class_names(workdir, CLASS_NAMES)
    write_inputs(workdir, Inputs("", DIGEST, 1234, "other"))
    loop.train(micro(), workdir, make_mesh(1))
    said = "the data set changed: 1,234 images were, 2,000 are; the exact stream of batches is not continued"
    assert said in capsys.readouterr().out
    assert read_inputs(workdir) == Inputs("", DIGEST, 2000, "scenes")
    loop.train(micro(), workdir, make_mesh(1))
    assert "the data set changed" not in capsys.readouterr().out


def test_the_line_on_the_data() -> None:
    assert data_change(None, OLD) == data_change(OLD, OLD) == ""
    other = dataclasses.replace(OLD, data_digest="b")
    assert data_change(OLD, other).startswith("the data set changed: some of its 1,200 images are others; ")


def test_a_trained_or_random_clip_is_not_compared(config: Config) -> None:
    clip = trained.params()["clip"]
    assert clip_fingerprint(micro(), clip) == ""
    train = dataclasses.replace(config.train, trainable=("clip", "head"))
    assert clip_fingerprint(dataclasses.replace(config, train=train), clip) == ""
    assert len(clip_fingerprint(config, clip)) == 64


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"clip_fingerprint": 1, "num_images": 1, "data_digest": ""}']
)
def test_a_broken_file_is_refused(content: str, tmp_path: Path) -> None:
    assert read_inputs(tmp_path) is None
    (tmp_path / "inputs.json").write_text(content)
    with pytest.raises(
        UserError, match=r"inputs\.json must have clip_fingerprint, class_digest, num_images, "
    ):
        read_inputs(tmp_path)


def test_a_class_list_that_was_changed_in_the_work_directory_is_refused(tmp_path: Path) -> None:
    config = micro()
    source = ScenesSource("train", "shapes")
    check_class_names(tmp_path, ("any", "names"))  # no training yet
    write_inputs(tmp_path, find_inputs(config, {}, source))
    check_class_names(tmp_path, source.class_names)
    with pytest.raises(UserError, match=r"classes.txt are not those of the training"):
        check_class_names(tmp_path, source.class_names[::-1])
