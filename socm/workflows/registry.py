"""The kinds of workflow by the name that a campaign file uses."""

from __future__ import annotations

from socm.core.models import Workflow

registered_workflows: dict[str, type[Workflow]] = {}
"""Kinds by name; add your own class under its name."""
