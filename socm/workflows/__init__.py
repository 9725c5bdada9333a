"""The kinds of workflow; `registered_workflows` is open to your own."""

from socm.workflows.command import Command
from socm.workflows.ml_mapmaking import MLMapmaking
from socm.workflows.ml_null_tests import MLNullTests, NullTest
from socm.workflows.power_spectra import PowerSpectra
from socm.workflows.registry import registered_workflows
from socm.workflows.sat_sims import SATSims

registered_workflows.update(
    {kind.kind: kind for kind in (MLMapmaking, MLNullTests, SATSims, PowerSpectra, Command)}
)

__all__ = [
    "Command",
    "MLMapmaking",
    "MLNullTests",
    "NullTest",
    "PowerSpectra",
    "SATSims",
    "registered_workflows",
]
