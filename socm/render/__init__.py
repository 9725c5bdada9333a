"""Graph → text: Snakefile, rules, tables, query files, profiles; and the one writer."""

from socm.render.tree import render_workspace
from socm.render.writer import Written, write_workspace

__all__ = ["Written", "render_workspace", "write_workspace"]
