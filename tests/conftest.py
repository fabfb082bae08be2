"""Every test runs under strict dtype promotion, with warnings as errors, on eight CPU devices."""

import importlib.metadata
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.hub_server import Hub

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_NUM_CPU_DEVICES"] = "8"
# Small programs that run a few times: compiling them is what takes the time, so it is done quickly and
# once. Child processes, pytest's workers too, inherit both. JAX's own jax_disable_most_optimizations left XLA
# at its default level: the gradients of tests/parity compiled in 27 s with it, in 5 s with these flags.
if "PYTEST_XDIST_WORKER" not in os.environ:
    _PROGRAMS = tempfile.TemporaryDirectory()
    flags = "--xla_backend_optimization_level=0"
    if importlib.metadata.version("jaxlib").startswith("0.10."):  # jaxlib 0.12 aborts at this flag
        flags += " --xla_cpu_use_fusion_emitters=false"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()
    os.environ["HCLIP_JAX_CACHE"] = _PROGRAMS.name
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")

from hclip_jax import runtime

runtime.prepare()  # before jax is imported

import jaxtyping  # isort: skip

# Shapes and dtypes in annotations are checked. The hook works on modules that are imported after it.
jaxtyping.install_import_hook(
    ["hclip_jax.adapters", "hclip_jax.models", "hclip_jax.ops", "hclip_jax.training.losses"],
    "beartype.beartype",
)

import jax  # isort: skip
from absl import flags  # isort: skip

from hclip_jax.io import progress  # isort: skip

progress.SIGN_SECONDS = 3600.0  # a slow machine prints no more than a fast one
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_default_matmul_precision", "highest")
flags.FLAGS.mark_as_parsed()  # grain's worker processes read absl flags


@pytest.fixture(scope="session", autouse=True)
def _heeds_ctrl_c() -> None:
    """Jobs in the background of a shell ignore SIGINT, and so would the processes that tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _shared_steps() -> Iterator[None]:
    from tests import steps  # after JAX is prepared

    yield from steps.shared()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Iterator[Hub]":
    """A running Hugging Face Hub on the loopback, and an empty cache, for this process."""
    from tests.hub_server import Hub, use

    hub = Hub()
    hub.start()
    use(hub, tmp_path / "hub", monkeypatch)
    yield hub
    hub.stop()
