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
    file_order,
    nearest_name,
)
from socm.diagnostics.printing import (
    format_diagnostics,
    format_summary,
    json_document,
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
    "file_order",
    "format_diagnostics",
    "format_summary",
    "json_document",
    "nearest_name",
    "read_sources",
    "wants_colour",
]
