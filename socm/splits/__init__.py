"""Splits: pure functions from columns of observations to the splits of null tests."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from socm.splits.detectors import check_detectors
    from socm.splits.manifest import manifest_tsv, read_manifest
    from socm.splits.model import REASON_TEXTS, REASONS, Previous, Split, SplitRows, TestSplits
    from socm.splits.null_tests import (
        NULL_TESTS,
        NullTest,
        columns_needed,
        custom_test,
        find_test,
        has_memory,
        options_of,
    )
    from socm.splits.sites import SITES, TELESCOPES, Site, Telescope
    from socm.splits.split import split_observations

__all__ = [
    "NULL_TESTS",
    "REASONS",
    "REASON_TEXTS",
    "SITES",
    "TELESCOPES",
    "NullTest",
    "Previous",
    "Site",
    "Split",
    "SplitRows",
    "Telescope",
    "TestSplits",
    "check_detectors",
    "columns_needed",
    "custom_test",
    "find_test",
    "has_memory",
    "manifest_tsv",
    "options_of",
    "read_manifest",
    "split_observations",
]

_MODULES = {
    "check_detectors": "detectors",
    "manifest_tsv": "manifest",
    "read_manifest": "manifest",
    "REASON_TEXTS": "model",
    "REASONS": "model",
    "Previous": "model",
    "Split": "model",
    "SplitRows": "model",
    "TestSplits": "model",
    "NULL_TESTS": "null_tests",
    "NullTest": "null_tests",
    "columns_needed": "null_tests",
    "custom_test": "null_tests",
    "find_test": "null_tests",
    "has_memory": "null_tests",
    "options_of": "null_tests",
    "SITES": "sites",
    "TELESCOPES": "sites",
    "Site": "sites",
    "Telescope": "sites",
    "split_observations": "split",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is asked for: reading a campaign needs the tests' names, and no numpy."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
