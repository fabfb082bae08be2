"""The site of the documents: built strictly, with nothing of another host."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
for module in ("material", "mkdocs", "nbconvert"):
    pytest.importorskip(module, reason="the extra docs is not installed")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as CONTRIBUTING.md says; a link to nothing or a page without a place fails it."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    command = ["mkdocs", "build", "--strict", "--config-file", "docs/mkdocs.yml"]
    assert " ".join(command) in (ROOT / "CONTRIBUTING.md").read_text()
    result = subprocess.run(
        [sys.executable, "-m", *command, "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert "contains a link" not in result.stderr  # what strict mode leaves at INFO
    return folder


def test_every_document_is_a_page(site: Path) -> None:
    for path in (ROOT / "docs").glob("*.md"):
        assert (site / "docs" / path.stem / "index.html").is_file(), path
    for path in (
        "index.html",
        "docs/tour/index.html",
        "launch/index.html",
        "docs/quickstart.png",
        "configs/vitb.py",
    ):
        assert (site / path).is_file(), path


def test_links_between_pages_lead_to_files(site: Path) -> None:
    pages = list(site.rglob("index.html"))
    assert len(pages) > 10
    for page in pages:
        for target in re.findall(r'(?:href|src)="([^"#:]+)(?:#[^"]*)?"', page.read_text()):
            path = (page.parent / target).resolve()
            assert path.is_file() or (path / "index.html").is_file(), f"{page}: {target}"


def test_no_page_asks_another_host(site: Path) -> None:
    loaded = re.compile(r'<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)="?(?:https?:)?//[^">]*')
    for page in site.rglob("*.html"):
        assert not loaded.findall(page.read_text()), page
    for sheet in site.rglob("*.css"):
        assert not re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", sheet.read_text()), sheet


def test_tables_and_the_notebook_look_as_on_github(site: Path) -> None:
    assert "first|mean|max" in (site / "docs/use/index.html").read_text()
    tour = (site / "docs/tour/index.html").read_text()
    assert tour.count("<img ") >= 2
    assert "Your data set" in tour
