"""The splits room."""
