"""The command line: arguments, printing, exit codes."""

from socm.cli.main import main

__all__ = ["main"]
