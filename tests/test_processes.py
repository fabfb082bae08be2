import numpy as np
import pytest

from hclip_jax import processes
from hclip_jax.errors import UserError

NO_DETECTION = {"cluster_detection_method": "deactivate", "local_device_ids": None}


@pytest.mark.parametrize(
    ("environment", "arguments"),
    [
        ({}, None),
        ({"SLURM_NTASKS": "8"}, None),  # in the batch script, outside of srun
        ({"SLURM_STEP_NUM_TASKS": "1"}, None),
        ({"SLURM_STEP_NUM_TASKS": "8"}, {"cluster_detection_method": "slurm"}),
        ({"TPU_WORKER_HOSTNAMES": "a,b"}, {}),
        (
            {"JAX_COORDINATOR_ADDRESS": "a:1", "JAX_NUM_PROCESSES": "4", "JAX_PROCESS_ID": "3"},
            {"coordinator_address": "a:1", "num_processes": 4, "process_id": 3, **NO_DETECTION},
        ),
        (
            {"JAX_COORDINATOR_ADDRESS": "a:1", "JAX_NUM_PROCESSES": "4", "JOB_COMPLETION_INDEX": "0"},
            {"coordinator_address": "a:1", "num_processes": 4, "process_id": 0, **NO_DETECTION},
        ),
    ],
)
def test_how_processes_are_found(environment, arguments):
    assert processes._join_arguments(environment) == arguments


@pytest.mark.parametrize(
    "environment",
    [
        {"JAX_COORDINATOR_ADDRESS": "a:1"},
        {"JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "0"},
        {"JAX_COORDINATOR_ADDRESS": "a:1", "JAX_NUM_PROCESSES": "two", "JAX_PROCESS_ID": "0"},
        {"JAX_COORDINATOR_ADDRESS": "a:1", "JAX_NUM_PROCESSES": "2"},
    ],
)
def test_an_incomplete_description_is_refused(environment):
    with pytest.raises(UserError, match=r"described incompletely \(JAX_COORDINATOR_ADDRESS="):
        processes._join_arguments(environment)


def test_a_single_process():
    assert (processes.index(), processes.count(), processes.is_primary()) == (0, 1, True)
    processes.barrier("here")
    processes.agree(version="1")
    processes.progress()
    processes.announce_stop(15)
    values = np.array([2**40, 1])
    assert processes.total(values) is values
    with pytest.raises(ZeroDivisionError), processes.failing_together():
        _ = 1 / 0
