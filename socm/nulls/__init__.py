"""The nulls room."""
