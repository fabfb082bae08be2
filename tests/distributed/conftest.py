"""Trainings that are not disturbed, by one process in the process of the tests; the end of workers."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hclip_jax.config.validate import from_config_dict
from hclip_jax.sharding import make_mesh
from hclip_jax.training import loop
from tests.distributed.workers import STARTED, end
from tests.small_models import micro_dict

TrainAlone = Callable[..., None]


@pytest.fixture(autouse=True)
def _workers() -> Iterator[None]:
    """None outlives its test."""
    yield
    end(STARTED)
    STARTED.clear()


def _train_alone(
    folder: Path, devices: int = 1, mesh: str = "", checkpoint: int | None = None, **train: int
) -> None:
    """Trains, or resumes, in `folder`/run with fields of `train` changed."""
    c = micro_dict()
    c.train.update(train)
    loop.train(from_config_dict(c), folder / "run", make_mesh(devices, batch_size=8, shape=mesh), checkpoint)


@pytest.fixture
def train_alone() -> TrainAlone:
    return _train_alone


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training of 6 steps with evaluations on one device."""
    folder = tmp_path_factory.mktemp("alone")
    _train_alone(folder, num_train_steps=6, evaluate_every=3, checkpoint_every=3)
    return folder
