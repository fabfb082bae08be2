"""docs/tour.ipynb: its code is that of this version, and its stored outputs are small."""

import ast
import importlib
import json
import shlex
from pathlib import Path

import pytest

from hclip_jax.tools.cli import COMMANDS

PATH = Path(__file__).parents[1] / "docs/tour.ipynb"
CELLS = json.loads(PATH.read_text())["cells"]
CODE = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]


def nodes() -> list[ast.AST]:
    return [node for source in CODE for node in ast.walk(ast.parse(source))]


def test_code_cells_compile_and_import_what_exists() -> None:
    for source in CODE:
        compile(source, PATH.name, "exec")
    imports = [node for node in nodes() if isinstance(node, ast.ImportFrom)]
    names = [(node.module, alias.name) for node in imports for alias in node.names]
    ours = [(module, name) for module, name in names if module and module.startswith("hclip_jax")]
    assert len(ours) >= 6
    for module, name in ours:
        imported = importlib.import_module(module)
        assert hasattr(imported, name) or importlib.import_module(f"{module}.{name}"), (module, name)


def test_commands_exist() -> None:
    calls = [
        node
        for node in nodes()
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "hclip"
    ]
    assert len(calls) >= 2
    for call in calls:
        line = ast.unparse(call.args[0]).removeprefix("f")[1:-1]
        assert shlex.split(line)[0] in COMMANDS


def test_stored_outputs_are_small_and_name_no_machine() -> None:
    assert PATH.stat().st_size < 400_000
    outputs = [output for cell in CELLS for output in cell.get("outputs", [])]
    assert sum("image/jpeg" in output.get("data", {}) for output in outputs) == 2
    assert not [output for output in outputs if output["output_type"] == "error"]
    texts = json.dumps([{k: v for k, v in o.items() if k != "data"} for o in outputs])
    for folder in ("/tmp", "/root", "/home", "/work"):
        assert folder not in texts


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # those of Jupyter are not ours
def test_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed (the extra dev)")
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed (the extra dev)")
    monkeypatch.setenv("PYTHONPATH", str(PATH.parents[1]))
    monkeypatch.delenv("JAX_DISABLE_MOST_OPTIMIZATIONS", raising=False)
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", "1")
    notebook = nbformat.read(PATH, as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/jpeg" in output.get("data", {}) for output in outputs) == 2
    text = "".join(o.get("text", "") + o.get("data", {}).get("text/plain", "") for o in outputs)
    assert "0 errors" in text
    assert text.count("CLIP is unchanged at the start: True") == 2
