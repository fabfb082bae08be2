"""Makes the site of the files that GitHub shows, at their places, so that their links to each other hold.

A linked source file is copied beside the pages, a link to a folder becomes its text, the notebook a page.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.nav import Navigation
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter

ROOT = Path(__file__).parents[2]
NOTEBOOK = "docs/tour.ipynb"
_PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "launch/README.md", "docs/*.md")
_LINK = re.compile(r"(?<!`)\[([^\]]+)\]\(([^)#:]+)(#[^)]*)?\)")

_CODE = re.compile(r"`[^`]+`")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds pages, what they link to, and the notebook."""
    pages = {path for pattern in (*_PAGES, "hclip_jax/**/README.md") for path in ROOT.glob(pattern)}
    linked = {(page.parent / target).resolve() for page in pages for _, target in _links(page.read_text())}
    for path in sorted(pages | {path for path in linked if path.is_file()}):
        if path.suffix != ".ipynb":
            name = path.relative_to(ROOT).as_posix()
            files.append(File(name, str(ROOT), config.site_dir, config.use_directory_urls))
    body, resources = MarkdownExporter().from_filename(str(ROOT / NOTEBOOK))
    files.append(File.generated(config, NOTEBOOK.replace(".ipynb", ".md"), content=body))
    for name, content in resources["outputs"].items():
        files.append(File.generated(config, f"docs/{name}", content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrites links to folders and to the notebook, and code in tables, where only GitHub escapes "|"."""

    def rewrite(match: re.Match[str]) -> str:
        text, target, anchor = match.groups()
        if (ROOT / page.file.src_uri).parent.joinpath(target).is_dir():
            return text
        return f"[{text}]({target.replace('.ipynb', '.md')}{anchor or ''})"

    lines = [
        _CODE.sub(lambda code: code[0].replace(r"\|", "|"), line) if line.startswith("|") else line
        for line in _LINK.sub(rewrite, markdown).split("\n")
    ]
    return "\n".join(lines)


def on_nav(nav: Navigation, config: MkDocsConfig, files: Files) -> Navigation:
    """Refuses a page without a place in the navigation; mkdocs itself only says so."""
    listed = {page.file.src_uri for page in nav.pages}
    if missing := [file.src_uri for file in files.documentation_pages() if file.src_uri not in listed]:
        raise ValueError(f"docs/mkdocs.yml has no place for {', '.join(missing)}")
    return nav


def _links(markdown: str) -> list[tuple[str, str]]:
    """Texts and targets of the relative links of a page."""
    return [(match[1], match[2]) for match in _LINK.finditer(markdown)]
