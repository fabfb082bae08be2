import os
import stat
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from hclip_jax.io import program_cache
from tests.bucket import bucket

ENTRY = zlib.compress(os.urandom(5000))


def entry(folder: Path, name: str, content: bytes = ENTRY, time: int = 0) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-cache"
    path.write_bytes(content)
    path.with_name(f"{name}-atime").write_bytes(b"12345678")
    if time:
        os.utime(path, (time, time))
    return path


@pytest.mark.parametrize("content", [b"", ENTRY[:3000], ENTRY[:-1], ENTRY[:100] + b"!!" + ENTRY[102:], b"x"])
def test_broken_entries_are_removed(tmp_path: Path, content: bytes) -> None:
    whole = entry(tmp_path, "whole")
    broken = entry(tmp_path, "broken", content)
    assert program_cache.prepare(tmp_path)
    assert not broken.exists()
    assert not (tmp_path / "broken-atime").exists()
    assert whole.read_bytes() == ENTRY


def test_entries_are_read_once_unless_they_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    monkeypatch.setattr(program_cache, "_is_whole", lambda content: bool(read.append(content)) or True)
    entry(tmp_path, "old", time=1)
    program_cache.prepare(tmp_path)
    program_cache.prepare(tmp_path)
    assert len(read) == 1
    entry(tmp_path, "old", ENTRY[:-1])
    program_cache.prepare(tmp_path)
    assert read[1:] == [ENTRY[:-1]]


def test_the_oldest_entries_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [entry(tmp_path, f"{time}", time=time) for time in (3, 1, 2)]
    autotuning = tmp_path / "xla_gpu_per_fusion_autotune_cache_dir" / "result"
    autotuning.parent.mkdir()
    autotuning.write_bytes(b"x" * 1000)
    os.utime(autotuning, (1, 1))
    monkeypatch.setattr(program_cache, "MAX_BYTES", len(ENTRY) + 500)
    assert program_cache.prepare(tmp_path)
    assert [path.exists() for path in paths] == [True, False, False]
    assert not autotuning.exists()


def test_a_folder_that_cannot_be_written_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not program_cache.prepare(tmp_path / "file")
    assert not program_cache.prepare(tmp_path / "file" / "programs")


@pytest.mark.skipif(os.getuid() == 0, reason="the superuser may write everywhere")
def test_a_read_only_folder_is_not_used(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert not program_cache.prepare(tmp_path)
    tmp_path.chmod(stat.S_IRWXU)


def test_jax_replaces_a_cut_entry(tmp_path: Path) -> None:
    code = (
        "from hclip_jax import runtime; runtime.prepare()\n"
        "import jax, jax.numpy as jnp\n"
        "from jax._src import monitoring\n"
        "monitoring.register_event_listener(lambda name, **kw: print(name.rpartition('/')[2]))\n"
        "print(jax.jit(lambda x: jnp.sin(x) @ x)(jnp.ones((4, 4)))[0, 0] > 3)"
    )
    environment = {
        "HCLIP_JAX_CACHE": str(tmp_path),
        "JAX_PLATFORMS": "cpu",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }

    def run() -> list[str]:
        argv = [sys.executable, "-W", "error", "-c", code]
        done = subprocess.run(
            argv, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.split()

    assert "cache_misses" in run()
    for path in (tmp_path / "programs").glob("*-cache"):
        path.write_bytes(path.read_bytes()[:-10])
    assert "cache_misses" in run()
    again = run()
    assert "cache_hits" in again
    assert "cache_misses" not in again


def test_an_address_is_trimmed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry(tmp_path / "programs", "old", time=1)
    new = entry(tmp_path / "programs", "new", time=2)
    with bucket(tmp_path) as root:
        assert program_cache.prepare(root / "none")
        assert program_cache.prepare(root / "programs")
        assert len(list((tmp_path / "programs").iterdir())) == 4
        monkeypatch.setattr(program_cache, "MAX_BYTES", 6000)
        assert program_cache.prepare(root / "programs")
    assert [path.name for path in (tmp_path / "programs").glob("*-cache")] == [new.name]
