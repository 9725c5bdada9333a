"""Null tests made at map level, with the files a mapmaker would have written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from judged_workspace import write_null_test

Write = Callable[..., Path]


@pytest.fixture
def write_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write the maps of a null test into the working folder and return the path of its specification."""
    monkeypatch.chdir(tmp_path)
    return write_null_test


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what tests remember out of the user's cache folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
