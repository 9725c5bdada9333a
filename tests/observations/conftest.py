"""What the tests of this room share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from observation_rows import OBSERVATIONS, Rows, write_obsdb

from socm.observations.context import Context, read_context


@pytest.fixture(autouse=True)
def _no_files_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SOTODLIB_SITECONFIG", raising=False)
    monkeypatch.setenv("SOTODLIB_USERCONFIG", str(tmp_path / "no-such-user-file.yaml"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def make_context(tmp_path: Path) -> Callable[..., Context]:
    """Return a function that writes a database and its context, and reads the context."""

    def make(rows: Rows = OBSERVATIONS, **more: Any) -> Context:
        write_obsdb(tmp_path / "obsdb.sqlite", rows, **more)
        (tmp_path / "context.yaml").write_text("obsdb: obsdb.sqlite\n")
        return read_context(tmp_path / "context.yaml")

    return make
