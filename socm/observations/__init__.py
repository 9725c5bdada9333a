"""Observations: a context and a query become a columnar table, without importing the mapmaker's library."""

from socm.observations.context import Context, read_context
from socm.observations.select import select_observations
from socm.observations.table import ObservationTable

__all__ = ["Context", "ObservationTable", "read_context", "select_observations"]
