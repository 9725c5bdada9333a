"""The kinds of workflow; `registered_workflows` is open to your own."""

from socm.workflows.command import Command
from socm.workflows.mapmakers.base import Mapmaker, MapProducts
from socm.workflows.mapmakers.depth1 import Depth1Maps
from socm.workflows.mapmakers.filterbin import FilterBinMaps
from socm.workflows.mapmakers.ml import MLMapmaking
from socm.workflows.null_tests import null_tests_of
from socm.workflows.power_spectra import PowerSpectra
from socm.workflows.registry import registered_workflows
from socm.workflows.sat_sims import SATSims

registered_workflows.update(
    {
        "ml-mapmaking": MLMapmaking,
        "ml-null-tests": null_tests_of(MLMapmaking, "ml-null-tests"),
        "depth1-maps": Depth1Maps,
        "depth1-null-tests": null_tests_of(Depth1Maps, "depth1-null-tests"),
        "filterbin-mapmaking": FilterBinMaps,
        "filterbin-null-tests": null_tests_of(FilterBinMaps, "filterbin-null-tests"),
        "sat-sims": SATSims,
        "power-spectra": PowerSpectra,
        "command": Command,
    }
)

__all__ = [
    "Command",
    "Depth1Maps",
    "FilterBinMaps",
    "MLMapmaking",
    "MapProducts",
    "Mapmaker",
    "PowerSpectra",
    "SATSims",
    "null_tests_of",
    "registered_workflows",
]
