"""How long a campaign takes before it runs: its plan, simulated under the limits of its cluster."""

from socm.planning.deadline import PlannedRun, Remedy, check_deadline, outlook, remedies
from socm.planning.forecast import Assumptions, Forecast, forecast, in_order, priorities_that_help
from socm.planning.model import RunModel, model_of
from socm.planning.run_times import RunTime, RunTimes, asked_run_time, measured_run_time

__all__ = [
    "Assumptions",
    "Forecast",
    "PlannedRun",
    "Remedy",
    "RunModel",
    "RunTime",
    "RunTimes",
    "asked_run_time",
    "check_deadline",
    "forecast",
    "in_order",
    "measured_run_time",
    "model_of",
    "outlook",
    "priorities_that_help",
    "remedies",
]
