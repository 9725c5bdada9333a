"""Campaign and splits → rules of jobs, with checks on what they read and make."""

from socm.graph.checks import check_plan
from socm.graph.grouping import group_jobs
from socm.graph.learnt import Learning
from socm.graph.plan import Plan, Rule, make_plan
from socm.graph.planned import Planned

__all__ = ["Learning", "Plan", "Planned", "Rule", "check_plan", "group_jobs", "make_plan"]
