"""The checkpoint of the best evaluation: it is kept, found again, and replaced only by a better one."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from hclip_jax.errors import UserError
from hclip_jax.training import choose
from hclip_jax.training.best import BestKeeper, find_metric, forget_gone, read_best, settings_digest
from hclip_jax.training.checkpoints import TrainCheckpoints, restore
from hclip_jax.training.checksums import find_damage
from hclip_jax.training.choose import choose_checkpoint, list_steps, set_newer_aside
from tests.small_checkpoints import kernel, like, save, state
from tests.small_models import micro

METRIC = "val/mIoU"


def evaluate(
    workdir: Path, *figures: tuple[int, float | None], metric: str = METRIC, settings: str = ""
) -> None:
    """A training that saves and evaluates at these steps, and keeps one newest checkpoint."""
    with TrainCheckpoints(workdir, 1, metric, settings) as checkpoints:
        for step, figure in figures:
            checkpoints.save(step, state(step), {"batches": step})
            evaluation = {"val": {"mIoU": figure, "pACC": -step}, "open": {"mIoU": 99.0}}
            checkpoints.keep_if_best(step, evaluation, state(step), {"batches": step})


def best_step(workdir: Path) -> float:
    chosen = choose_checkpoint(workdir, "best")
    assert chosen is not None
    return kernel(restore(workdir, chosen, like())[0])


def test_the_best_checkpoint_is_kept_although_older_ones_are_dropped(tmp_path: Path) -> None:
    evaluate(tmp_path, (2, 10.0), (4, 30.0), (6, 20.0), (8, math.nan), (10, None), (12, 30.0))
    assert list_steps(tmp_path) == [4, 12]
    best = json.loads((tmp_path / "checkpoints/best.json").read_text())
    assert best == {"step": 4, "metric": METRIC, "value": 30.0}
    assert best_step(tmp_path) == 4.0


def test_a_resumed_training_knows_the_former_best(tmp_path: Path) -> None:
    evaluate(tmp_path, (2, 30.0), (4, 20.0))
    evaluate(tmp_path, (6, 25.0), (8, 26.0))
    assert (list_steps(tmp_path), best_step(tmp_path)) == ([2, 8], 2.0)
    evaluate(tmp_path, (10, 31.0), (12, 1.0))
    assert (list_steps(tmp_path), best_step(tmp_path)) == ([10, 12], 10.0)


def test_a_figure_of_other_settings_does_not_stop_a_later_best(tmp_path: Path) -> None:
    evaluate(tmp_path, (2, 79.0), settings="4 images")
    evaluate(tmp_path, (4, 71.0), (6, 70.0), settings="16 images")
    assert (list_steps(tmp_path), best_step(tmp_path)) == ([4, 6], 4.0)


def test_settings_are_what_figures_depend_on() -> None:
    evaluation = micro().evaluation
    digest = settings_digest(evaluation)
    assert digest == settings_digest(replace(evaluation, batch_size=9, num_overlays=9, suite="x.json"))
    others = (
        replace(evaluation, num_images=99),
        replace(evaluation, protocol="single"),
        replace(evaluation, stride=9),
        replace(evaluation, sets={}),
    )
    assert digest not in map(settings_digest, others)


def test_a_step_between_checkpoints_is_saved_if_it_is_the_best(tmp_path: Path) -> None:
    with TrainCheckpoints(tmp_path, 1, METRIC) as checkpoints:
        checkpoints.keep_if_best(3, {"val": {"mIoU": 1.0}}, state(3), {"batches": 3})
        checkpoints.keep_if_best(5, {"val": {"mIoU": 0.5}}, state(5), {"batches": 5})
    assert list_steps(tmp_path) == [3]


def test_a_training_killed_before_the_best_is_named_has_the_former_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate(tmp_path, (2, 10.0), (4, 5.0))
    with monkeypatch.context() as patch:
        patch.setattr(BestKeeper, "keep", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            evaluate(tmp_path, (6, 20.0))
    assert (list_steps(tmp_path), best_step(tmp_path)) == ([2, 6], 2.0)
    evaluate(tmp_path, (6, 20.0), (8, 1.0))  # as a resumed training evaluates that step again
    assert (list_steps(tmp_path), best_step(tmp_path)) == ([6, 8], 6.0)


@pytest.mark.parametrize("step", ["best", None])
def test_a_checkpoint_that_a_training_replaces_while_it_is_verified_is_not_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str | None
) -> None:
    evaluate(tmp_path, (2, 10.0))

    def replaced(folder: Path, step: int) -> str | None:
        if step == 2:
            evaluate(tmp_path, (4, 20.0), (6, 10.0))
        return find_damage(folder, step)

    monkeypatch.setattr(choose, "find_damage", replaced)
    chosen = choose_checkpoint(tmp_path, step)
    assert chosen is not None
    assert chosen.step == (4 if step else 6)
    monkeypatch.undo()
    with pytest.raises(UserError, match="has no checkpoint of step 2"):
        choose_checkpoint(tmp_path, 2)


def test_a_best_that_was_set_aside_is_forgotten(tmp_path: Path) -> None:
    with TrainCheckpoints(tmp_path, 9, METRIC) as checkpoints:
        checkpoints.save(2, state(2), {"batches": 2})
        checkpoints.keep_if_best(4, {"val": {"mIoU": 30.0}}, state(4), {"batches": 4})
    chosen = choose_checkpoint(tmp_path, 2)
    assert chosen is not None
    set_newer_aside(tmp_path, chosen)
    with pytest.raises(
        UserError, match=r"best.json names step 4, whose checkpoint is not there any more; give"
    ):
        choose_checkpoint(tmp_path, "best")
    forget_gone(tmp_path / "checkpoints", [2])
    save(tmp_path, 4)  # of another training
    with pytest.raises(UserError, match="has no best checkpoint"):
        choose_checkpoint(tmp_path, "best")
    evaluate(tmp_path, (5, 20.0), (6, 10.0))
    forget_gone(tmp_path / "checkpoints", list_steps(tmp_path))
    assert best_step(tmp_path) == 5.0


def test_figures_of_another_metric_do_not_count(tmp_path: Path) -> None:
    evaluate(tmp_path, (2, 30.0))
    evaluate(tmp_path, (4, 40.0), metric="")  # off: what was the best stays
    assert (list_steps(tmp_path), best_step(tmp_path)) == ([2, 4], 2.0)
    evaluate(tmp_path, (6, 1.0), (8, 2.0), metric="val/pACC")
    assert (list_steps(tmp_path), best_step(tmp_path)) == ([6, 8], 6.0)


def test_the_figure_of_the_untrained_model_is_never_the_best(tmp_path: Path) -> None:
    evaluate(tmp_path, (0, 30.0), (2, 10.0))
    assert best_step(tmp_path) == 2.0


def test_the_metric_is_found_among_the_sets() -> None:
    assert find_metric("mIoU", ("open", "val")) == "val/mIoU"
    assert find_metric("mIoU", ("open", "other")) == "open/mIoU"
    assert find_metric("open/hIoU", ("open", "val")) == "open/hIoU"
    assert find_metric("", ("val",)) == find_metric("mIoU", ()) == ""


@pytest.mark.parametrize("metric", ["vall/mIoU", "val/miou", "loss", "/", "val/", "a/val/mIoU"])
def test_an_unknown_metric_is_refused_with_what_there_is(metric: str) -> None:
    message = (
        rf"best_metric is '{metric}'; it must be SET/FIGURE, with a set of open, val and a figure of mIoU,"
    )
    with pytest.raises(UserError, match=message):
        find_metric(metric, ("open", "val"))


def test_no_best_checkpoint_is_one_sentence(tmp_path: Path) -> None:
    save(tmp_path, 2)
    with pytest.raises(
        UserError, match=r"has no best checkpoint \(checkpoints/best.json\): none was evaluated"
    ):
        choose_checkpoint(tmp_path, "best")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "null",
        '{"step": 2, "metric": "val/mIoU"}',
        '{"step": -1, "metric": "a", "value": 1}',
        '{"step": "2", "metric": "a", "value": 1}',
        '{"step": true, "metric": "a", "value": 1}',
        '{"step": 2, "metric": "a", "value": NaN}',
        '{"step": 2, "metric": "a", "value": 1' + 400 * "0" + "}",
    ],
)
def test_a_broken_file_is_refused_with_the_way_on(tmp_path: Path, content: str) -> None:
    save(tmp_path, 2)
    (tmp_path / "checkpoints/best.json").write_text(content)
    with pytest.raises(UserError, match=r"best.json .*(remove|copy) "):
        choose_checkpoint(tmp_path, "best")
    with pytest.raises(UserError, match=r"best.json .*(remove|copy) "):
        TrainCheckpoints(tmp_path, 1)
    assert read_best(tmp_path) is None
