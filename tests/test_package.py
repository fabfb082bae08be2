"""pyproject.toml and CITATION.cff describe the files and the version that are here."""

import ast
import importlib
import re
import tomllib
from pathlib import Path

from hclip_jax import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PROJECT["tool"]["setuptools"]


def test_packages_are_the_folders_with_python_files() -> None:
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "hclip_jax").rglob("*.py")}
    packages = {".".join(folder.parts) for folder in folders}
    assert sorted(SETUPTOOLS["packages"]) == sorted(packages | {"hclip_jax.configs"})
    assert SETUPTOOLS["package-dir"] == {"hclip_jax.configs": "configs"}
    assert all((ROOT / folder / "__init__.py").is_file() for folder in folders)


def test_each_package_names_its_modules() -> None:
    for package in sorted((ROOT / "hclip_jax").rglob("__init__.py")):
        if package.parent.name == "hclip_jax":  # the map of README.md has the rooms
            text = (ROOT / "README.md").read_text()
        else:
            text = ast.get_docstring(ast.parse(package.read_text())) or ""
        modules = {path.stem for path in package.parent.glob("[a-z]*.py")} - {"errors", "version"}
        missing = [name for name in sorted(modules) if not re.search(rf"\b{name}\b", text)]
        assert not missing, f"{package} does not say what {missing} are"


def test_all_data_files_are_installed() -> None:
    installed = {
        path
        for package, patterns in SETUPTOOLS["package-data"].items()
        for pattern in patterns
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    files = {path for path in (ROOT / "hclip_jax").rglob("*") if path.is_file()}
    no_data = {".py", ".so"}  # .so: the kernels, where they are built
    data = {path for path in files if path.suffix not in no_data and "__pycache__" not in path.parts}
    assert ROOT / "hclip_jax/py.typed" in data
    assert installed == data


def test_no_module_needs_an_extra_to_be_imported() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    packages = {re.split(r"[\[<>=]", requirement)[0] for extra in extras.values() for requirement in extra}
    optional = {package.replace("-", "_") for package in packages - {"hclip_jax", "jax"}} | {"libtpu"}
    assert {"av", "gcsfs"} <= optional
    # The page of the demo is imported by its command alone, after it has looked for gradio.
    for path in {*(ROOT / "hclip_jax").rglob("*.py")} - {ROOT / "hclip_jax/demo/page.py"}:
        for node in ast.parse(path.read_text()).body:  # not in functions, which import when they run
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not optional & {name.partition(".")[0] for name in names}, path


def test_each_extra_is_named_where_it_is_missed() -> None:
    """By the sentence of a command, or by the documents on machines."""
    texts = "".join(path.read_text() for path in (ROOT / "hclip_jax").rglob("*.py"))
    texts += (ROOT / "README.md").read_text() + (ROOT / "CONTRIBUTING.md").read_text()
    for extra in PROJECT["project"]["optional-dependencies"]:
        assert re.search(rf"(hclip_jax|\.)\[{extra}\]", texts), extra


def test_license_files_exist() -> None:
    assert all((ROOT / path).is_file() for path in PROJECT["project"]["license-files"])


def test_console_script_exists() -> None:
    module, _, name = PROJECT["project"]["scripts"]["hclip"].partition(":")
    assert callable(getattr(importlib.import_module(module), name))


def test_citation_has_the_version() -> None:
    (version,) = re.findall(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert version == __version__
