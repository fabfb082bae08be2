"""Several processes train as one process on one device, and a checkpoint of theirs resumes on any others."""

import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from hclip_jax.evaluation.image_counts import read_counts
from tests.distributed.conftest import TrainAlone
from tests.distributed.workers import losses, records, start, wait, wait_until

STEPS = ("--config.train.num_train_steps=6", "--config.train.checkpoint_every=3")
ARGUMENTS = (*STEPS, "--config.train.evaluate_every=3")

# Writes what every device of this process gets of each step: its number, and the bytes of each image.
WRITE_IMAGES = """
from hclip_jax.training import loop
place, steps = loop.place_rows, []
def write(rows, *args):
    placed = place(rows, *args)
    steps.append({d.index[0].start or 0: d.data for d in placed["image"].addressable_shards})
    with open("images.txt", "a") as file:
        for first, images in steps[-1].items():
            for number, image in enumerate(images):
                print(len(steps), first + number, hash(image.tobytes()), file=file)
    return placed
loop.place_rows = write
"""


def assert_equal_runs(folder: Path, alone: Path) -> None:
    """Losses within 1e-6; mIoU within 1e-4 of 1: two classes of a pixel may be equally probable."""
    ours, expected = records(folder), records(alone)
    assert [list(line) for line in ours] == [list(line) for line in expected]
    for line, reference in zip(ours, expected, strict=True):
        assert line["step"] == reference["step"]
        if "loss" in line:
            for name, value in reference.items():
                assert line[name] == pytest.approx(value, rel=1e-4, abs=1e-6), name
            assert line["loss"] == pytest.approx(reference["loss"], abs=1e-6)
        else:
            mean, expected_mean = (each["evaluation"]["val"]["mIoU"] for each in (line, reference))
            assert mean == pytest.approx(expected_mean, abs=1e-2)
    if any("evaluation" in line for line in expected):
        counts, expected_counts = (read_counts(path / "run/evaluation/val.npz") for path in (folder, alone))
        assert counts.image_names == expected_counts.image_names
        np.testing.assert_array_equal(counts.truth, expected_counts.truth)
        pixels = expected_counts.truth.sum()
        np.testing.assert_allclose(
            counts.prediction / pixels, expected_counts.prediction / pixels, atol=1e-4, rtol=0
        )


def test_stopped_workers_resume_as_one_process(train_alone: TrainAlone, tmp_path: Path) -> None:
    """SIGTERM to one of two: both save the same step, and one process goes on with the same losses."""
    workers = start(tmp_path, 2, 1, STEPS)
    wait_until(lambda: 1 in losses(tmp_path), workers)
    workers[1].send(signal.SIGTERM)
    assert wait(workers) == [143, 143], workers[0].text() + workers[1].text()
    (saved,) = {
        line for worker in workers for line in worker.text().splitlines() if "saved after step" in line
    }
    step = int(saved.partition("saved after step ")[2].partition(";")[0])
    assert (tmp_path / f"run/checkpoints/{step}").is_dir()
    assert "step 1/" in (tmp_path / "run/logs/process_1.log").read_text()
    assert "step 1/" not in workers[1].text()
    train_alone(tmp_path, num_train_steps=6, checkpoint_every=3)
    assert list(losses(tmp_path)) == [1, 2, 3, 4, 5, 6]
    train_alone(tmp_path / "alone", num_train_steps=6, checkpoint_every=3)
    assert_equal_runs(tmp_path, tmp_path / "alone")


@pytest.mark.slow
@pytest.mark.parametrize("mesh", ["8x1", "1x8"])
def test_eight_devices_of_one_process(
    mesh: str, train_alone: TrainAlone, alone: Path, tmp_path: Path
) -> None:
    train_alone(tmp_path, 8, mesh, num_train_steps=6, evaluate_every=3, checkpoint_every=3)
    assert_equal_runs(tmp_path, alone)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "devices", "mesh"), [(2, 4, "8x1"), (4, 2, "8x1"), (2, 4, "2x4"), (4, 2, "1x8"), (2, 3, "")]
)
def test_all_meshes_over_processes(count: int, devices: int, mesh: str, alone: Path, tmp_path: Path) -> None:
    """Also where the devices of a process share the images of another, and 6 devices a batch of 8."""
    workers = start(tmp_path, count, devices, (*ARGUMENTS, *([f"--mesh={mesh}"] if mesh else [])))
    assert wait(workers, 560) == [0] * count, workers[0].text()
    assert_equal_runs(tmp_path, alone)


@pytest.fixture(scope="module")
def of_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training by 2 processes of 4 devices, where each writes the images that it gets."""
    folder = tmp_path_factory.mktemp("of_two")
    _start_in_own_folders(folder, 2, 4, (*ARGUMENTS, "--mesh=8x1"))
    return folder


def _start_in_own_folders(folder: Path, count: int, devices: int, arguments: tuple[str, ...]) -> None:
    folders = [folder / f"process_{index}" for index in range(count)]
    for path in folders:
        path.mkdir(parents=True)
    before = dict.fromkeys(range(count), WRITE_IMAGES)
    workers = start(folder, count, devices, arguments, before=before, folders=folders)
    assert wait(workers, 560) == [0] * count, workers[0].text()


@pytest.mark.slow
def test_images_of_a_step_are_disjoint_and_complete(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "0")  # hashes of bytes are the same in all processes
    _start_in_own_folders(tmp_path / "two", 2, 4, ("--config.train.num_train_steps=2",))
    _start_in_own_folders(tmp_path / "one", 1, 1, ("--config.train.num_train_steps=2",))

    def images(folder: Path) -> list[list[str]]:
        return [sorted(path.read_text().splitlines()) for path in sorted(folder.glob("process_*/images.txt"))]

    (whole,) = images(tmp_path / "one")
    assert len(set(whole)) == 16  # 2 steps of 8 images
    of_each = images(tmp_path / "two")
    assert [len(lines) for lines in of_each] == [8, 8]
    assert sorted([*of_each[0], *of_each[1]]) == whole


@pytest.mark.slow
@pytest.mark.parametrize(("count", "devices", "mesh"), [(1, 8, "1x8"), (1, 1, ""), (4, 2, "8x1")])
def test_a_checkpoint_of_two_processes_resumes_anywhere(
    count: int, devices: int, mesh: str, of_two: Path, alone: Path, tmp_path: Path, train_alone: TrainAlone
) -> None:
    """The next losses are the same, so the next images are, too."""
    shutil.copytree(of_two / "run", tmp_path / "run")
    shutil.rmtree(tmp_path / "run/checkpoints/6")
    assert_equal_runs(tmp_path, alone)
    if count == 1:
        fields = {"num_train_steps": 6, "evaluate_every": 3, "checkpoint_every": 3}
        train_alone(tmp_path, devices, mesh, **fields)
    else:
        workers = start(tmp_path, count, devices, (*ARGUMENTS, f"--mesh={mesh}"))
        assert wait(workers, 560) == [0] * count, workers[0].text()
        assert "resuming after step 3 of 6" in workers[0].text()
    assert_equal_runs(tmp_path, alone)
