"""The docs as a site: each page is in the navigation, links lead somewhere, nothing comes from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
MKDOCS = ROOT / ".venv-docs" / "bin" / "mkdocs"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def places(nav: list[Any]) -> Iterator[str]:
    for entry in nav:
        (inside,) = entry.values()
        yield from [inside] if isinstance(inside, str) else places(inside)


def test_every_page_is_in_the_navigation_once() -> None:
    """A page in no part of it is found by nobody."""
    told = list(places(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    pages = {str(path.relative_to(ROOT / "docs")) for path in PAGES[1:]}
    from_elsewhere = {"bench/RESULTS.md", "CHANGELOG.md"}
    assert sorted(told) == sorted(pages | from_elsewhere)


def anchors(path: Path) -> set[str]:
    """Those of a page, as code hosts and the site make them of its headings."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_anchors_are_there(page: Path) -> None:
    """A link to a part of a page leads to a heading that it has."""
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)", page.read_text()):
        there = (page.parent / target).resolve() if target else page
        assert anchor in anchors(there), f"{target}#{anchor}"


def test_no_heading_stands_twice() -> None:
    """Code hosts and the site would number the second one's anchor differently."""
    for page in PAGES:
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        assert len(headings) == len(set(headings)), page


@pytest.mark.parametrize("name", ["reference/commands.md", "reference/pack-metrics.md"])
def test_reference_is_fresh(name: str) -> None:
    """`make reference` would write what is there."""
    make = f"from reference import FILES; print(FILES[{name!r}](), end='')"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "scripts")])}
    written = subprocess.run([sys.executable, "-c", make], capture_output=True, text=True, check=True, env=environment)
    assert (ROOT / "docs" / name).read_text() == written.stdout


def test_site_builds(tmp_path: Path) -> None:
    """As `make docs` does, where a warning is an error; and its pages fetch nothing from other hosts."""
    if not MKDOCS.exists():
        reason = ".venv-docs is missing; make docs makes it"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    # With --quiet, mkdocs does not see its own warnings.
    command = [MKDOCS, "build", "--site-dir", tmp_path]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert built.returncode == 0, built.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > len(PAGES)
    for page in pages:
        fetched = re.findall(
            r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=\"?(https?://[^\s\">]+)", page.read_text()
        )
        assert fetched == [], page
    assert (tmp_path / "examples" / "config.yaml").read_bytes() == (ROOT / "examples" / "config.yaml").read_bytes()
