"""slurm.sbatch starts one task a GPU, and queues itself again at the statuses that ask for it."""

import re
from pathlib import Path

import pytest

from tests.launch.stubs import LAUNCH, Stubs

REQUEUE = "scontrol requeue 77"


@pytest.fixture
def slurm(tmp_path: Path) -> Stubs:
    stubs = Stubs(tmp_path)
    stubs.add("srun", 'exit "$STATUS"')
    stubs.add("scontrol", 'if [ "$1" = show ]; then echo "   JobState=$STATE Reason=None"; fi')
    stubs.environment |= {"SLURM_JOB_ID": "77", "SLURM_CPUS_PER_TASK": "8", "STATE": "RUNNING"}
    return stubs


@pytest.mark.parametrize("status", [0, 1, 2, 130, 134, 137, 143])
def test_the_job_is_queued_again_where_that_helps(slurm: Stubs, status: int) -> None:
    done = slurm.run("slurm.sbatch", "--config=vitb", "--workdir=/shared/run", STATUS=str(status))
    assert done.returncode == status
    step, *others = slurm.called()
    assert step.endswith("--cpus-per-task=8 python -u -m hclip_jax.main --config=vitb --workdir=/shared/run")
    assert (REQUEUE in others) == (status in (134, 137, 143))


@pytest.mark.parametrize("variables", [{"STATE": "CANCELLED"}, {"SLURM_RESTART_COUNT": "50"}])
def test_a_cancelled_job_does_not_come_back(slurm: Stubs, variables: dict[str, str]) -> None:
    assert slurm.run("slurm.sbatch", "--config=vitb", STATUS="143", **variables).returncode == 143
    assert REQUEUE not in slurm.called()


def test_options_give_each_task_one_gpu() -> None:
    text = (LAUNCH / "slurm.sbatch").read_text()
    options = dict(re.findall(r"^#SBATCH --([\w-]+)=?(.*)$", text, re.MULTILINE))
    assert options["gres"] == f"gpu:{options['ntasks-per-node']}"
    assert "gpus-per-task" not in options
    assert (options["signal"], options["open-mode"]) == ("TERM@120", "append")
    assert "requeue" in options
    # Slurm reads options up to the first command.
    assert text.index("set -uo") > text.rindex("#SBATCH")
