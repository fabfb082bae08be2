"""Programs from the cache folder: the same results, without tracing."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hclip_jax import Model
from hclip_jax.inference import exported
from hclip_jax.inference.exported import ExportedPrograms
from hclip_jax.inference.predictor import Predictor
from hclip_jax.io import cache
from hclip_jax.sharding import make_mesh
from tests import trained
from tests.small_models import micro
from tests.trained import CLASS_NAMES, RGB

pytest.importorskip("flatbuffers")
X = np.linspace(0, 3, 7, dtype=np.float32)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the programs; it does not exist yet."""
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    return tmp_path / "exported"


class Sine:
    """A function that counts how often it is traced."""

    def __init__(self) -> None:
        self.traces = 0

    def __call__(self, tree: dict[str, jax.Array]) -> jax.Array:
        self.traces += 1
        return jnp.sin(tree["x"]) * 2


def run(function: Sine, x: np.ndarray = X, settings: tuple[object, ...] = ("sine",)) -> np.ndarray:
    """The result in a new process, as far as the programs know."""
    return np.asarray(ExportedPrograms().run(function, settings, {"x": x}))


def test_a_later_process_does_not_trace() -> None:
    first, second = Sine(), Sine()
    result = run(first)
    np.testing.assert_array_equal(result, jax.jit(lambda x: jnp.sin(x) * 2)(X))
    np.testing.assert_array_equal(run(second), result)
    assert (first.traces, second.traces) == (1, 0)


def test_one_process_loads_a_program_once(monkeypatch: pytest.MonkeyPatch) -> None:
    programs, sine = ExportedPrograms(), Sine()
    programs.run(sine, (), {"x": X})
    monkeypatch.setattr(exported, "read_entry", None)
    programs.run(sine, (), {"x": X + 1})
    assert sine.traces == 1


def test_the_key_covers_settings_shapes_dtypes_code_and_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    sine = Sine()
    run(sine)
    run(sine, settings=("other",))
    run(sine, X[:5])
    run(sine, X.astype(jnp.bfloat16))
    with jax.default_matmul_precision("bfloat16"):
        run(sine)
    monkeypatch.setattr(exported, "code_digest", lambda: "changed")
    run(sine)
    assert sine.traces == 6


@pytest.mark.parametrize("content", [b"", b"x" * 5000])
def test_a_damaged_program_is_replaced(folder: Path, content: bytes) -> None:
    sine = Sine()
    result = run(sine)
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(content)
    np.testing.assert_array_equal(run(sine), result)
    assert sine.traces == 2
    assert path.read_bytes()[:20] != content[:20]
    assert len(path.read_bytes()) == len(whole)


def test_a_program_that_jax_cannot_read_is_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exported, "read_entry", lambda kind, key: b"no program")
    np.testing.assert_allclose(run(Sine()), np.sin(X) * 2, rtol=1e-6)


def test_the_error_of_a_model_is_its_own() -> None:
    def wrong(tree: dict[str, jax.Array]) -> jax.Array:
        raise ArithmeticError("mine")

    with pytest.raises(ArithmeticError, match="mine"):
        ExportedPrograms().run(wrong, (), {"x": X})


def test_a_segmenter_gives_the_same_labels_bit_for_bit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.VARIABLE, "")
    plain = trained.segmenter()(RGB, CLASS_NAMES, fast=True)
    monkeypatch.setenv(cache.VARIABLE, str(folder.parent))
    written = trained.segmenter()(RGB, CLASS_NAMES, fast=True)
    assert len(list(folder.iterdir())) == 2  # the text tower and the segmentation

    def traced(*args: object) -> None:
        raise AssertionError("traced")

    monkeypatch.setattr(Model, "class_logits", traced)
    monkeypatch.setattr(Model, "encode_text", traced)
    for path in (folder.parent / "text").iterdir():  # so that the text tower runs, too
        path.unlink()
    for result in (written, trained.segmenter()(RGB, CLASS_NAMES, fast=True)):
        np.testing.assert_array_equal(result.ids, plain.ids)
        np.testing.assert_array_equal(result.confidence, plain.confidence)


def test_programs_of_several_devices_are_traced(folder: Path) -> None:
    config = micro()
    model, mesh = Model(config.architecture), make_mesh(2)
    prompts = model.prompts(CLASS_NAMES)
    Predictor(model, trained.params(), prompts, mesh, config.protocol, programs=ExportedPrograms())
    assert not folder.exists()
