"""Configurations are found from any folder, by name and by path."""

import subprocess
import sys
from pathlib import Path

import pytest

OWN = """
from hclip_jax.configs import vitb


def get_config():
    c = vitb.get_config()
    c.data.root = "scenes"
    c.seed = 17
    return c
"""

# Prints the configuration instead of training.
CODE = """
import sys, types
from hclip_jax import main

loop = types.ModuleType("hclip_jax.training.loop")
loop.train = lambda config, workdir, mesh, checkpoint: print(config.seed, config.clip.embed_dim, workdir)
sys.modules["hclip_jax.training.loop"] = loop
sys.exit(main.main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("config", "seed_and_width"),
    [("tiny", "0 64"), ("mine.py", "17 512"), ("./mine.py", "17 512"), ("{}/mine.py", "17 512")],
)
def test_from_another_folder(config: str, seed_and_width: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    argv = [f"--config={config.format(tmp_path)}", "--workdir=run"]
    done = subprocess.run(
        [sys.executable, "-c", CODE, *argv], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{seed_and_width} run\n", "")
