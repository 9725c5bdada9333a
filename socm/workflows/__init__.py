"""The kinds of workflow; `registered_workflows` is open to your own."""

from socm.core.models import Workflow
from socm.workflows.ml_mapmaking import MLMapmaking
from socm.workflows.ml_null_tests import MLNullTests, NullTest

registered_workflows: dict[str, type[Workflow]] = {
    MLMapmaking.kind: MLMapmaking,
    MLNullTests.kind: MLNullTests,
}
"""Kinds by the name that a campaign file uses; add your own class under its name."""

__all__ = ["MLMapmaking", "MLNullTests", "NullTest", "registered_workflows"]
