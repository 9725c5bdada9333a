"""What went wrong, where in the user's files, and what to do about it."""

from socm.diagnostics.model import (
    Collector,
    Diagnostic,
    DiagnosticError,
    KeyPath,
    Place,
    Severity,
    nearest_name,
)

__all__ = ["Collector", "Diagnostic", "DiagnosticError", "KeyPath", "Place", "Severity", "nearest_name"]
