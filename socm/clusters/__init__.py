"""The clusters room."""
