"""The environment of a process, which says of which training it is one: variables, Slurm, Kubernetes, TPU."""

import importlib.util
import re
from collections.abc import Mapping
from typing import Any

from hclip_jax.errors import UserError

_NO_DETECTION = {"cluster_detection_method": "deactivate"}


def join_arguments(environment: Mapping[str, str]) -> dict[str, Any] | None:
    """Arguments of `jax.distributed.initialize`; None for a single process.

    Raises:
        UserError: the processes are described incompletely or wrongly.
    """
    names = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
    address, num_processes, process_id = (environment.get(name, "") for name in names)
    process_id = process_id or environment.get("JOB_COMPLETION_INDEX", "")
    if address or num_processes:
        is_complete = num_processes.isdecimal() and process_id.isdecimal()
        is_address = re.fullmatch(r".+:\d{1,5}", address, re.ASCII)
        if not (is_address and is_complete and int(process_id) < int(num_processes)):
            found = ", ".join(f"{name}={environment.get(name, '')}" for name in names)
            raise UserError(
                f"the processes of this training are described incompletely or wrongly ({found}); set the "
                f"address HOST:PORT of process 0, the number of processes, and for each an index from 0 that "
                f"is less than that number"
            )
        arguments = {"coordinator_address": address, "num_processes": int(num_processes)}
        return arguments | {"process_id": int(process_id), "local_device_ids": None} | _NO_DETECTION
    if whole_number(environment, "SLURM_STEP_NUM_TASKS", 1) > 1:
        return {"cluster_detection_method": "slurm"}
    if "," in environment.get("TPU_WORKER_HOSTNAMES", "") or _on_cloud_tpu(environment):
        return {}
    return None


def _on_cloud_tpu(environment: Mapping[str, str]) -> bool:
    """Whether JAX knows the workers of this TPU host; a TPU without them is a single process."""
    platforms = environment.get("JAX_PLATFORMS", "")
    if (platforms and "tpu" not in platforms) or importlib.util.find_spec("libtpu") is None:
        return False
    from jax._src.clusters import cloud_tpu_cluster as clusters  # JAX has no public form of the question

    try:
        return clusters.GceTpuCluster.is_env_present() or clusters.GkeTpuCluster.is_env_present()
    except Exception:  # no metadata server answers
        return False


def whole_number(environment: Mapping[str, str], name: str, default: int) -> int:
    """The value of an environment variable.

    Raises:
        UserError: it is no whole number.
    """
    value = environment.get(name, "") or str(default)
    if not (value.isdecimal() and value.isascii()):
        raise UserError(f"the environment variable {name} is {value!r}; it must be a whole number")
    return int(value)
