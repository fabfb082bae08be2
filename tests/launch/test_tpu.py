"""tpu.sh calls gcloud in the right order, and babysit does what each exit status asks for."""

import re
from pathlib import Path

import pytest

from tests.launch.stubs import Stubs

# The answers to `describe` and to the status of the training are the lines of two files; the last one stays.
GCLOUD = r"""
next() {
  line=$(head -n 1 "$STUB_FOLDER/$1")
  [ "$(wc -l <"$STUB_FOLDER/$1")" = 1 ] || sed -i.before 1d "$STUB_FOLDER/$1"
}
case $* in
  *" describe "*)
    next states
    case $line in
      NONE) echo "ERROR: NOT_FOUND: no such resource" >&2; exit 1 ;;
      OFFLINE) echo "ERROR: no network" >&2; exit 1 ;;
      *) echo "$line" ;;
    esac ;;
  *"tpu_worker.sh status"*)
    next statuses
    [ "$line" != broken ] || exit 255
    echo "$line" ;;
  *"$FAILING"*) exit 1 ;;
esac
"""
ZONE = "--zone=us-west4-a --quiet"
ARGUMENTS = ("--config=vitb", "--workdir=/shared/run", "--config.head.decoder_dims=(32, 16)")
START = r"start --config=vitb --workdir=/shared/run --config.head.decoder_dims=\(32\,\ 16\)"


class Cloud(Stubs):
    """A stand-in for gcloud whose TPU has given states."""

    def tpu(self, *arguments: str, states: str = "ACTIVE", statuses: str = "none", **variables: str):
        for name, answers in (("states", states), ("statuses", statuses)):
            (self.calls.parent / name).write_text("\n".join(answers.split()) + "\n")
        return self.run("tpu.sh", *arguments, **{"FAILING": "nothing", **variables})

    def verbs(self) -> list[str]:
        """The calls that change something, as one word each."""
        words = []
        for call in "\n".join(self.called()).split("gcloud compute tpus ")[1:]:
            verb = call.split()[1]
            if verb == "ssh":
                verb = re.findall(r"tpu_worker\.sh (\w+)|worker (setup)", call)[-1]
                verb = verb[0] or verb[1]
            if verb not in ("describe", "status"):
                words.append(verb)
        return words


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    cloud = Cloud(tmp_path)
    cloud.add("gcloud", GCLOUD)
    cloud.add("git", 'if [ "$3" = status ]; then echo "$DIRTY"; fi')
    variables = {"TPU_NAME": "pod", "TPU_ZONE": "us-west4-a", "TPU_TYPE": "v5litepod-16", "TPU_POLL": "0"}
    cloud.environment |= {**variables, "DIRTY": ""}
    for name in ("TPU_FLAGS", "TPU_RUNTIME", "TPU_RESTARTS"):
        cloud.environment.pop(name, None)
    return cloud


def test_create_requests_waits_and_installs(cloud: Cloud) -> None:
    done = cloud.tpu("create", states="NONE WAITING_FOR_RESOURCES OFFLINE PROVISIONING ACTIVE")
    assert done.returncode == 0, done.stderr
    assert cloud.verbs() == ["create", "scp", "setup"]
    request, archive, copy = (
        next(call for call in cloud.called() if word in call) for word in ("create", "archive", "scp")
    )
    assert request == (
        f"gcloud compute tpus queued-resources create pod {ZONE} --node-id=pod "
        f"--accelerator-type=v5litepod-16 --runtime-version=v2-alpha-tpuv5-lite --spot"
    )
    assert re.search("archive --format=tar.gz --output=.*/hclip.tar.gz HEAD", archive)
    assert re.fullmatch(rf"gcloud compute tpus tpu-vm scp /.*/hclip.tar.gz pod: {ZONE} --worker=all", copy)
    states = [line for line in done.stderr.splitlines() if line.startswith("pod: ")]
    assert states == [
        f"pod: {state}" for state in ("WAITING_FOR_RESOURCES", "UNKNOWN", "PROVISIONING", "ACTIVE")
    ]


def test_create_goes_on_with_a_request_that_exists(cloud: Cloud) -> None:
    assert cloud.tpu("create", states="PROVISIONING ACTIVE").returncode == 0
    assert cloud.verbs() == ["scp", "setup"]


def test_create_gives_up_on_a_request_that_failed(cloud: Cloud) -> None:
    done = cloud.tpu("create", states="NONE PROVISIONING FAILED")
    assert (done.returncode, cloud.verbs()) == (2, ["create"])
    assert "there will be no TPU for this request" in done.stderr


@pytest.mark.parametrize(
    ("tpu_type", "runtime"),
    [
        ("v5p-32", "v2-alpha-tpuv5"),
        ("v6e-64", "v2-alpha-tpuv6e"),
        ("v4-64", "tpu-ubuntu2204-base"),
    ],
)
def test_runtime_follows_the_type(cloud: Cloud, tpu_type: str, runtime: str) -> None:
    cloud.tpu("create", states="NONE ACTIVE", TPU_TYPE=tpu_type, TPU_FLAGS="")
    (request,) = (call for call in cloud.called() if "create" in call)
    assert request.endswith(f"--accelerator-type={tpu_type} --runtime-version={runtime}")


def test_train_starts_the_same_command_on_all_workers(cloud: Cloud) -> None:
    assert cloud.tpu("train", *ARGUMENTS).returncode == 0
    assert cloud.called() == [
        f"gcloud compute tpus tpu-vm ssh pod {ZONE} --worker=all "
        f"--command=bash hclip/code/launch/tpu_worker.sh {START}"
    ]


def test_other_commands(cloud: Cloud) -> None:
    assert cloud.tpu("status", statuses="143").stdout == "143\n"
    assert cloud.tpu("status", statuses="broken").stdout == "unknown\n"
    for arguments in (["logs", "3"], ["stop"], ["delete"]):
        assert cloud.tpu(*arguments).returncode == 0
    logs, stop, delete = cloud.called()[2:]
    assert logs.endswith("--worker=3 --command=tail -n 100 -F hclip/training.log")
    assert stop.endswith("--worker=all --command=bash hclip/code/launch/tpu_worker.sh stop")
    assert delete == f"gcloud compute tpus queued-resources delete pod {ZONE} --force"


def test_changes_that_are_not_committed_are_reported(cloud: Cloud) -> None:
    assert "warning: only committed files go to the TPU" in cloud.tpu("setup", DIRTY=" M main.py").stderr


NEW = ["create", "scp", "setup", "start"]
AGAIN = ["stop", "scp", "setup", "start"]


@pytest.mark.parametrize("status", ["0", "2", "130"])
def test_babysit_ends_with_the_training(cloud: Cloud, status: str) -> None:
    done = cloud.tpu("babysit", *ARGUMENTS, states="NONE ACTIVE", statuses=f"broken running running {status}")
    assert done.returncode == int(status)
    assert cloud.verbs() == ["delete", *NEW]
    assert any(call.endswith(START) for call in cloud.called())


@pytest.mark.parametrize("status", ["1", "134", "137", "143"])
def test_babysit_starts_again_on_a_tpu_that_is_there(cloud: Cloud, status: str) -> None:
    done = cloud.tpu("babysit", *ARGUMENTS, statuses=f"none running {status} running 0")
    assert (done.returncode, cloud.verbs()) == (0, AGAIN * 2)


def test_babysit_replaces_a_tpu_that_is_gone(cloud: Cloud) -> None:
    states = "ACTIVE OFFLINE ACTIVE SUSPENDING SUSPENDED WAITING_FOR_RESOURCES ACTIVE"
    done = cloud.tpu("babysit", *ARGUMENTS, states=states, statuses="none running broken broken broken 0")
    assert (done.returncode, cloud.verbs()) == (0, [*AGAIN, "delete", *NEW])
    assert "pod: training lost" in done.stderr


def test_babysit_follows_a_training_that_runs(cloud: Cloud) -> None:
    done = cloud.tpu("babysit", *ARGUMENTS, statuses="running running 0")
    assert (done.returncode, cloud.verbs()) == (0, [])


def test_babysit_replaces_a_tpu_that_cannot_be_set_up(cloud: Cloud) -> None:
    done = cloud.tpu("babysit", *ARGUMENTS, FAILING="scp", TPU_RESTARTS="0")
    assert (done.returncode, cloud.verbs()) == (1, ["stop", "scp", "scp", "delete", "create", "scp"])


def test_babysit_gives_up_after_some_restarts(cloud: Cloud) -> None:
    done = cloud.tpu("babysit", *ARGUMENTS, statuses="none 143", TPU_RESTARTS="2")
    assert (done.returncode, cloud.verbs()) == (1, AGAIN * 3)
    assert "error: 2 restarts were not enough" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        ((), {}, "the command is ''; give create, setup"),
        (("fly",), {}, "the command is 'fly'; give create, setup"),
        (("train",), {}, "train needs the arguments of hclip train"),
        (("create",), {"TPU_TYPE": ""}, "set TPU_TYPE, such as v5litepod-16"),
        (("create",), {"TPU_ZONE": ""}, "set TPU_NAME and TPU_ZONE"),
    ],
)
def test_wrong_use_calls_nothing(
    cloud: Cloud, arguments: tuple[str, ...], variables: dict[str, str], message: str
) -> None:
    done = cloud.tpu(*arguments, **variables)
    assert (done.returncode, cloud.called()) == (2, [])
    assert done.stderr.startswith(f"error: {message}")
