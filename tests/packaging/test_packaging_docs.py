"""The documentation as a site: it builds, no link of it is broken, and its search finds every code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from programs import run_program

from socm.diagnostics import explained_codes

pytest.importorskip("material", reason="needs the test extra")


@pytest.fixture
def sources(checkout: Path, tmp_path: Path) -> Path:
    """A copy of what the site is made from."""
    for name in ("docs", "examples"):
        shutil.copytree(
            checkout / name, tmp_path / name, ignore=shutil.ignore_patterns("data", "results", ".*")
        )
    (tmp_path / "socm/diagnostics").mkdir(parents=True)
    for name in ("mkdocs.yml", "README.md", "CONTRIBUTING.md", "socm/diagnostics/explanations.md"):
        shutil.copy(checkout / name, tmp_path / name)
    return tmp_path


def test_the_site_builds_and_its_search_finds_every_code(sources: Path) -> None:
    run_program("mkdocs", "build", "--strict", "--quiet", folder=sources)
    index = json.loads((sources / "build/site/search/search_index.json").read_text("utf-8"))
    found = {
        page["location"].partition("#")[2] for page in index["docs"] if page["location"].startswith("codes/#")
    }
    assert set(explained_codes()) <= found
    assert len(explained_codes()) > 100
    pages = {path.stem for path in (sources / "docs").glob("*.md")}
    assert pages <= {path.parent.name for path in (sources / "build/site").glob("*/index.html")}


@pytest.mark.parametrize(
    ("file", "link"),
    [
        ("docs/python.md", "nowhere.md"),
        ("docs/python.md", "verdict.md#nowhere"),
        ("README.md", "docs/nowhere.md"),
    ],
)
def test_a_broken_link_fails(sources: Path, file: str, link: str) -> None:
    path = sources / file
    path.write_text(f"{path.read_text('utf-8')}\n[somewhere]({link})\n", encoding="utf-8")
    done = run_program("mkdocs", "build", "--strict", folder=sources, check=False)
    assert done.returncode == 1
    assert "nowhere" in done.stderr
    assert "Aborted" in done.stdout
