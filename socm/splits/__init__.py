"""Splits: pure functions from columns of observations to the splits of null tests."""

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
