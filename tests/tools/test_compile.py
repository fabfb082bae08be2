import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from hclip_jax.errors import UserError
from hclip_jax.tools import compile as command


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "micro.py"
    file.write_text("from tests.small_models import micro_dict as get_config\n")
    return f"--config={file}"


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--topology=v5e-7", "--topology=v5e-7 does not exist; the sizes of v5e are 1, 4, 8"),
        ("--programs=train", "--programs has 'train'; choose from step, evaluation"),
        ("--classes=0", "--classes is 0; it must be 1 or more"),
        ("--effort=2", "--effort is 2; it must be from -1 to 1"),
        ("--config.train.batsh=1", "batsh"),
        ("--meshes=8x1", "--meshes is not an option; did you mean --mesh?"),
    ],
)
def test_wrong_arguments_are_refused(config: str, argument: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        command.main(["--topology=v5e-8", config, argument])


def test_the_topology_must_be_given() -> None:
    with pytest.raises(UserError, match="--topology"):
        command.main([])


def compile_micro(*arguments: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, as the command changes settings of JAX."""
    argv = [sys.executable, "-m", "hclip_jax.tools.compile", "--topology=v5e-8", "--classes=5", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.mark.skipif(importlib.util.find_spec("libtpu") is None, reason="needs the extra 'compile'")
def test_the_micro_model_for_eight_chips(config: str, tmp_path: Path) -> None:
    batch, output = "--config.train.batch_size=4", tmp_path / "out"
    done = compile_micro(config, batch, f"--output={output}")
    assert done.returncode == 0, done.stderr
    report = json.loads((output / "compile.json").read_text())
    step, evaluation = report["programs"]
    assert (report["chips"], step["mesh"], evaluation["mesh"]) == (8, "4x2", "4x1")
    assert 0 < step["memory"]["peak"] < report["chip_memory"]
    assert step["passes"] > step["flops"] > 0
    assert not any(c["sums_gradients_in_loop"] for c in step["collectives"])
    (gradients,) = (c for c in step["collectives"] if c["source"].startswith("training/step.py"))
    assert (gradients["axis"], gradients["times"], gradients["loops"]) == ("data, class", 1, 0)
    assert not evaluation["collectives"]
    assert (output / "compile.md").read_text() in done.stdout.replace("\r", "")

    report["programs"][0]["collective_bytes"] //= 2
    stored = output / "compile.json"
    stored.write_text(json.dumps(report))
    done = compile_micro(config, batch, "--programs=step", f"--against={stored}")
    assert done.returncode == 1
    assert "problem: the step's collectives grew from" in done.stderr
