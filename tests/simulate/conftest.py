"""sotodlib is imported once, without the deprecation warnings of what it imports."""

from __future__ import annotations

import importlib
import importlib.util
import warnings

import pytest


@pytest.fixture(scope="session", autouse=True)
def _imported_mapmaking_libraries() -> None:
    if importlib.util.find_spec("sotodlib") is None:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in ("sotodlib.coords", "sotodlib.mapmaking", "sotodlib.io.load_toast_h5"):
            importlib.import_module(module)
