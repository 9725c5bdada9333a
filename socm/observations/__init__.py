"""Observations: a context and a query become a columnar table, without importing the mapmaker's library."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from socm.observations.context import Context, read_context
    from socm.observations.select import select_observations
    from socm.observations.table import ObservationTable

__all__ = ["Context", "ObservationTable", "read_context", "select_observations"]

_MODULES = {
    "Context": "context",
    "ObservationTable": "table",
    "read_context": "context",
    "select_observations": "select",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is asked for: reading a context needs no numpy."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
