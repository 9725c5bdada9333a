"""The observations room."""
