"""The JobSets name statuses and fields that the code has."""

import json
import signal
from typing import Any

import pytest
import yaml

from hclip_jax import processes
from hclip_jax.config.overrides import read_config
from hclip_jax.errors import UserError
from hclip_jax.joining import join_arguments
from hclip_jax.tools.command_line import run
from hclip_jax.training.stop import StopRequest, exit_status
from tests.launch.stubs import LAUNCH, ROOT

FILES = ("tpu.yaml", "gpu.yaml")


@pytest.mark.parametrize("file", FILES)
def test_wrong_input_ends_the_jobset_and_other_statuses_start_it_again(file: str) -> None:
    jobset = _read(file)
    job, pod, container = _parts(jobset)
    (rule,) = job["podFailurePolicy"]["rules"]
    final = rule["onExitCodes"]["values"]
    assert (rule["action"], rule["onExitCodes"]["operator"]) == ("FailJob", "In")
    assert rule["onExitCodes"]["containerName"] == container["name"]
    assert final == [run(_wrong_input, [], uses_jax=False)]
    request = StopRequest()
    request.received = signal.SIGTERM
    assert not {processes.DIED, exit_status(**request.requests()), 137} & set(final)
    # A job fails with its first pod. Kubernetes requires restartPolicy Never for podFailurePolicy.
    assert (job["backoffLimit"], pod["restartPolicy"]) == (0, "Never")
    assert jobset["failurePolicy"] == {
        "maxRestarts": 50,
        "rules": [{"action": "FailJobSet", "onJobFailureReasons": ["PodFailurePolicy"]}],
    }


@pytest.mark.parametrize("file", FILES)
def test_arguments_are_those_of_a_training(file: str) -> None:
    _, pod, container = _parts(_read(file))
    overrides = [argument for argument in container["args"] if argument.startswith("--config.")]
    config = read_config("vitb", overrides)
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    for path in (config.data.root, config.clip.weights):
        assert f"/{path.split('/')[1]}" in mounts
    assert set(container["args"]) - set(overrides) == {"--config=vitb", "--workdir=/bucket/runs/vitb"}
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in pod["volumes"]
    }


def test_tpu_pods_make_up_the_slice() -> None:
    job, pod, container = _parts(_read("tpu.yaml"))
    width, height = map(int, pod["nodeSelector"]["cloud.google.com/gke-tpu-topology"].split("x"))
    chips = container["resources"]["limits"]["google.com/tpu"]
    assert job["completionMode"] == "Indexed"
    assert job["completions"] == job["parallelism"] == width * height // chips


def test_gpu_pods_find_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    jobset = _read("gpu.yaml")
    job, _, container = _parts(jobset)
    variables = {entry["name"]: entry["value"] for entry in container["env"]}
    arguments = join_arguments({**variables, "JOB_COMPLETION_INDEX": "1"})
    assert arguments is not None
    host, _, port = arguments["coordinator_address"].partition(":")
    (workers,) = jobset["replicatedJobs"]
    assert (host, port.isdecimal()) == (f"hclip-{workers['name']}-0-0.hclip", True)
    assert arguments["process_id"] == 1
    assert arguments["num_processes"] == job["completions"] == job["parallelism"]


def test_the_image_starts_a_training_and_the_extras_exist() -> None:
    text = (LAUNCH / "Dockerfile").read_text()
    (entry,) = (line for line in text.splitlines() if line.startswith("ENTRYPOINT"))
    assert json.loads(entry.removeprefix("ENTRYPOINT"))[-4:] == ["python", "-u", "-m", "hclip_jax.main"]
    for target in ("cuda", "tpu"):
        _, _, stage = text.partition(f"FROM base AS {target}\n")
        stage = stage.partition("\nFROM")[0]
        assert stage.index("--requirement=requirements.txt") < stage.index("COPY . .")
    kept = (LAUNCH / "Dockerfile.dockerignore").read_text().splitlines()
    assert all((ROOT / line[1:]).exists() for line in kept if line.startswith("!"))


def _read(file: str) -> dict[str, Any]:
    document = yaml.safe_load((LAUNCH / "gke" / file).read_text())
    assert (document["kind"], document["metadata"]["name"]) == ("JobSet", "hclip")
    return document["spec"]


def _parts(jobset: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The job, the pod and its container."""
    job = jobset["replicatedJobs"][0]["template"]["spec"]
    pod = job["template"]["spec"]
    return job, pod, pod["containers"][0]


def _wrong_input(argv: list[str]) -> int:
    raise UserError("wrong")
