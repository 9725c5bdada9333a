"""Observations: a context and a query become a columnar table, without importing the mapmaker's library."""
