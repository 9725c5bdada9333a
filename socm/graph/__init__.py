"""Campaign and splits → rules of jobs, with checks on what they read and make."""

from socm.graph.plan import Plan, Rule, check_plan, make_plan

__all__ = ["Plan", "Rule", "check_plan", "make_plan"]
