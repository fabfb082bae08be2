import pytest

from hclip_jax.errors import UserError
from hclip_jax.joining import join_arguments, whole_number

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
    assert join_arguments(environment) == arguments


@pytest.mark.parametrize(
    "environment",
    [
        {"JAX_COORDINATOR_ADDRESS": "a:1"},
        {"JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "0"},
        {"JAX_COORDINATOR_ADDRESS": "a:1", "JAX_NUM_PROCESSES": "two", "JAX_PROCESS_ID": "0"},
        {"JAX_COORDINATOR_ADDRESS": "a:1", "JAX_NUM_PROCESSES": "2"},
        {"JAX_COORDINATOR_ADDRESS": "a", "JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "0"},
        {"JAX_COORDINATOR_ADDRESS": "a:http", "JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "0"},
        {"JAX_COORDINATOR_ADDRESS": "a:1", "JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "2"},
    ],
)
def test_an_incomplete_or_wrong_description_is_refused(environment):
    with pytest.raises(UserError, match=r"described incompletely or wrongly \(JAX_COORDINATOR_ADDRESS="):
        join_arguments(environment)


def test_variables_are_whole_numbers():
    assert whole_number({}, "SECONDS", 300) == whole_number({"SECONDS": ""}, "SECONDS", 300) == 300
    assert whole_number({"SECONDS": "5"}, "SECONDS", 300) == 5
    for value in ("5m", "-1", "1.5", "\u0665"):
        with pytest.raises(UserError, match=r"the environment variable SECONDS is .* whole number"):
            whole_number({"SECONDS": value}, "SECONDS", 300)
