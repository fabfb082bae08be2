"""Process settings: set by commands and `Segmenter.load`, never by an import."""

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hclip_jax import runtime
from hclip_jax.io import cache
from tests.weights.sample_files import FILES

YNN = "--xla_cpu_experimental_ynn_fusion_type"
ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undoes all changes; pretends that no backend is open, as before the first use of JAX."""
    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    monkeypatch.setattr(runtime, "_backend_is_open", lambda: False)


def run_python(code: str, cwd: Path, **environment: str) -> str:
    """Runs a program in a process with only this environment and returns its output."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("before", "after"),
    [("", f"{YNN}="), ("--xla_dump_to=x", f"--xla_dump_to=x {YNN}="), (f"{YNN}=reduce", f"{YNN}=reduce")],
)
def test_flag_is_added_unless_the_user_set_it(
    monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    monkeypatch.setenv("XLA_FLAGS", before)
    runtime.prepare()
    runtime.prepare()
    assert os.environ["XLA_FLAGS"] == after


@pytest.mark.parametrize(
    ("jaxlib", "platforms", "is_set"),
    [
        ("0.10.2", "cpu", True),
        ("0.10.2", "", True),
        ("0.10.2", "cuda,cpu", True),
        ("0.12.0.1", "cpu", True),
        ("0.10.2", "cuda", False),
        ("0.12.0", "tpu", False),
        ("0.9.2", "cpu", False),
        ("0.13.0", "cpu", False),  # an unknown flag would end the process
    ],
)
def test_flag_is_set_on_the_cpu_for_versions_that_know_it(
    monkeypatch: pytest.MonkeyPatch, jaxlib: str, platforms: str, is_set: bool
) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: jaxlib)
    monkeypatch.setenv("JAX_PLATFORMS", platforms)
    runtime.prepare()
    assert os.environ["XLA_FLAGS"] == (f"{YNN}=" if is_set else "")


@pytest.mark.parametrize(("jaxlib", "warns"), [("0.10.2", True), ("0.12.0", False)])
def test_open_backend_is_warned_of(monkeypatch: pytest.MonkeyPatch, jaxlib: str, warns: bool) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: jaxlib)
    monkeypatch.setattr(runtime, "_backend_is_open", lambda: True)
    if warns:
        with pytest.warns(UserWarning, match=r"call hclip_jax\.runtime\.prepare\(\) first"):
            runtime.prepare()
    else:
        runtime.prepare()  # warnings are errors
    assert os.environ["XLA_FLAGS"] == ""


def test_import_changes_nothing(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "folder"
    home.mkdir()
    folder.mkdir()
    code = (
        "import os; before = dict(os.environ)\n"
        "import hclip_jax; assert dict(os.environ) == before\n"
        "import jax; before = dict(os.environ)\n"  # JAX itself sets variables for TPUs
        "import hclip_jax.segmenter; print([k for k in os.environ if os.environ[k] != before.get(k)])"
    )
    assert run_python(code, folder, HOME=str(home)) == "[]\n"
    assert not list(tmp_path.rglob("*/*"))


def test_a_segmenter_is_imported_without_the_libraries_of_training(tmp_path: Path) -> None:
    code = "import sys; from hclip_jax import Segmenter; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = set(run_python(code, tmp_path).split())
    assert {"jax", "flax", "PIL"} <= loaded
    assert loaded.isdisjoint(
        {
            "contourpy",
            "grain",
            "huggingface_hub",
            "matplotlib",
            "ml_collections",
            "optax",
            "orbax",
            "scipy",
            "tensorboard",
            "tensorflow_datasets",
            "tensorstore",
            "torch",
        }
    )


def test_backend_is_open_after_the_first_use(tmp_path: Path) -> None:
    code = (
        "from hclip_jax import runtime; print(runtime._backend_is_open())\n"
        "import jax; print(runtime._backend_is_open())\n"
        "jax.devices(); print(runtime._backend_is_open())"
    )
    assert run_python(code, tmp_path, JAX_PLATFORMS="cpu") == "False\nFalse\nTrue\n"


@pytest.mark.parametrize(
    ("first", "environment", "expected"),
    [
        ("", {cache.VARIABLE: "cache"}, "cache/programs"),
        ("import jax", {cache.VARIABLE: "cache"}, "cache/programs"),
        ("", {cache.VARIABLE: ""}, None),
        ("", {cache.VARIABLE: "/dev/null"}, None),  # not writable
        ("import jax", {cache.VARIABLE: "cache", "JAX_COMPILATION_CACHE_DIR": "mine"}, "mine"),
        (
            "import jax; jax.config.update('jax_compilation_cache_dir', 'mine')",
            {cache.VARIABLE: "cache"},
            "mine",
        ),
    ],
)
def test_compilation_cache_is_set_unless_the_user_set_it(
    first: str, environment: dict[str, str], expected: str | None, tmp_path: Path
) -> None:
    code = (
        f"{first}\nfrom hclip_jax import runtime; runtime.prepare()\n"
        "import jax, json; print(json.dumps(jax.config.jax_compilation_cache_dir))"
    )
    assert json.loads(run_python(code, tmp_path, **environment)) == expected
    assert (tmp_path / "cache").exists() == (expected == "cache/programs")  # that of the user is left as is


@pytest.mark.parametrize("first", ["", "import jax"])
@pytest.mark.parametrize(("chosen", "expected"), [({}, 0.01), ({runtime._MIN_SECONDS_VARIABLE: "0.5"}, 0.5)])
def test_small_programs_are_kept_too_unless_the_user_chose(
    first: str, chosen: dict[str, str], expected: float, tmp_path: Path
) -> None:
    code = (
        f"{first}\nfrom hclip_jax import runtime; runtime.prepare()\n"
        "import jax; print(jax.config.jax_persistent_cache_min_compile_time_secs)"
    )
    assert float(run_python(code, tmp_path, **{cache.VARIABLE: "cache"}, **chosen)) == expected
    assert float(run_python(code, tmp_path, **{cache.VARIABLE: ""}, **chosen)) == (0.5 if chosen else 1.0)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({cache.VARIABLE: "cache"}, "shared"),
        ({cache.VARIABLE: "/dev/null"}, "shared"),  # a host whose own folder is not writable
        ({cache.VARIABLE: "cache", "JAX_COMPILATION_CACHE_DIR": "mine"}, "mine"),
        ({cache.VARIABLE: ""}, None),
    ],
)
def test_processes_share_their_programs_unless_the_user_set_a_folder(
    environment: dict[str, str], expected: str | None, tmp_path: Path
) -> None:
    code = (
        "from pathlib import Path; from hclip_jax import runtime; runtime.prepare()\n"
        "runtime.share_programs(Path('shared'), {})\n"
        "import jax, json; print(json.dumps(jax.config.jax_compilation_cache_dir))"
    )
    assert json.loads(run_python(code.format(False), tmp_path, **environment)) == expected
    assert not (tmp_path / "shared").exists()  # the primary makes it
    assert json.loads(run_python(code.format(True), tmp_path, **environment)) == expected
    assert (tmp_path / "shared").exists() == (expected == "shared")


def test_programs_at_an_address(tmp_path: Path) -> None:
    code = (
        "from hclip_jax import runtime; runtime.prepare(); from pathlib import Path\n"
        "from tests.bucket import bucket; import jax, jax.numpy as jnp\n"
        "jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)\n"
        "with bucket(Path('store').absolute()) as root:\n"
        "    runtime.share_programs(root / 'programs', True)\n"
        "    jax.jit(lambda x: x * 3)(jnp.ones(3)).block_until_ready()\n"
        "    jax.clear_caches()\n"
        "    jax.jit(lambda x: x * 3)(jnp.ones(3)).block_until_ready()\n"
    )
    run_python(code, tmp_path, **{cache.VARIABLE: "cache", "JAX_PLATFORMS": "cpu"})
    assert any(path.name.endswith("-cache") for path in (tmp_path / "store/programs").iterdir())


def test_commands_run_without_a_home(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys\n"
        "def home(): raise RuntimeError('no home')\n"
        "pathlib.Path.home = home\n"
        "from hclip_jax.tools import cli\n"
        f"sys.exit(cli.main(['convert', {str(FILES / 'openai.pt')!r}, 'model', '--verify']))"
    )
    assert "checksum" in run_python(code, tmp_path, JAX_PLATFORMS="cpu")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["config.json", "model", "model.safetensors"]
