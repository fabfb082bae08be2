"""A training of two processes whose workers end again and again, as on spot machines, loses nothing."""

import json
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from hclip_jax.config.validate import from_config_dict
from hclip_jax.models.hclip import Model
from hclip_jax.sharding import make_mesh
from hclip_jax.training.restore import restore_params
from tests import tolerance
from tests.distributed.workers import losses, records, start, wait, wait_until
from tests.small_models import micro_dict

KILLS, STEPS = 6, 40
ARGUMENTS = (f"--config.train.num_train_steps={STEPS}", "--config.train.checkpoint_every=2")
DOWN = {143, 134, -signal.SIGTERM, -signal.SIGKILL}


def final_params(folder: Path) -> dict:
    c = micro_dict()
    c.train.update(num_train_steps=STEPS, checkpoint_every=2)
    config = from_config_dict(c)
    params, step = restore_params(config, Model(config.architecture), folder / "run", make_mesh(1))
    assert step == STEPS
    return params


@pytest.mark.slow
def test_nothing_is_lost(tmp_path: Path) -> None:
    rng = random.Random(0)
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for kill in range(KILLS):
        workers = start(killed, 2, 1, ARGUMENTS)
        # Until all have joined, the others would wait for one in vain.
        wait_until(lambda workers=workers: "parameters (" in workers[0].text(), workers)
        if kill % 2:  # in a step, or in a checkpoint
            step = min(max(losses(killed), default=0) + rng.randrange(1, 5), STEPS - 1)
            wait_until(lambda step=step: step in losses(killed), workers)
            time.sleep(rng.uniform(0, 0.5))
        else:  # while the step is compiled
            time.sleep(rng.uniform(0, 2))
        number = rng.choice([signal.SIGKILL, signal.SIGTERM])
        for index in rng.choice([[0], [1], [0, 1]]):
            workers[index].send(number)
        statuses = wait(workers)
        assert set(statuses) <= DOWN | {0}, (kill, number, statuses, *(worker.text() for worker in workers))
        print(kill, number.name, statuses, max(losses(killed), default=0))
    assert wait(start(killed, 2, 1, ARGUMENTS)) == [0, 0]
    assert wait(start(whole, 2, 1, ARGUMENTS)) == [0, 0]
    assert list(losses(killed)) == list(range(1, STEPS + 1))
    assert records(killed) == records(whole)
    tolerance.assert_same(final_params(killed), final_params(whole))
    runs = (killed / "run/metrics.jsonl").read_text().splitlines()
    assert sum("start" in json.loads(line) for line in runs) >= 2
    (end, *_) = [json.loads(line)["end"] for line in reversed(runs) if "end" in json.loads(line)]
    assert 0 < end["step_seconds"] <= end["seconds"]
    assert np.isfinite(list(losses(killed).values())).all()
