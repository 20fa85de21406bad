"""For mkdocs: the site has the files outside of docs/ that its pages link to, and the links lead there."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

LINK = re.compile(r"(\]\()(?!\w+:|#)([^)#\s]+)")
# Files that the navigation names.
NAMED = ("bench/RESULTS.md", "CHANGELOG.md")


def in_site(path: str) -> str:
    """Where a file of the repository is in the site."""
    return path.removeprefix("docs/")


def linked(page: str, text: str) -> set[str]:
    """The files of the repository that a page of it links to."""
    return {posixpath.normpath(posixpath.join(posixpath.dirname(page), target)) for _, target in LINK.findall(text)}


def on_files(files: Files, config: Any) -> Files:
    """Add what pages link to outside of docs/."""
    root = Path(config.config_file_path).parent
    pages = [f"docs/{file.src_uri}" for file in files.documentation_pages()] + list(NAMED)
    found = set(NAMED).union(*(linked(page, (root / page).read_text()) for page in pages))
    for path in sorted(found):
        if not path.startswith(("docs/", "../")) and (root / path).is_file():
            files.append(File.generated(config, path, abs_src_path=str(root / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: Any, files: Files) -> str:
    """Let links lead to where their files are in the site."""
    source = page.file.src_uri
    here = source if source in NAMED else f"docs/{source}"

    def moved(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(here), link[2]))
        return link[1] + posixpath.relpath(in_site(target), posixpath.dirname(source) or ".")

    return LINK.sub(moved, markdown)
