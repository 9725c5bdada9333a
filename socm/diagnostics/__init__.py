"""What went wrong, where in the user's files, and what to do about it."""

from socm.diagnostics.explanations import explained_codes
from socm.diagnostics.model import (
    Collector,
    Diagnostic,
    DiagnosticError,
    KeyPath,
    Place,
    Severity,
    did_you_mean,
    nearest_name,
)
from socm.diagnostics.printing import (
    format_diagnostics,
    format_json,
    format_summary,
    read_sources,
    wants_colour,
)

__all__ = [
    "Collector",
    "Diagnostic",
    "DiagnosticError",
    "KeyPath",
    "Place",
    "Severity",
    "did_you_mean",
    "explained_codes",
    "format_diagnostics",
    "format_json",
    "format_summary",
    "nearest_name",
    "read_sources",
    "wants_colour",
]
