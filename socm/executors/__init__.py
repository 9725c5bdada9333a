"""Executors: what runs the jobs of a workspace. Everything of one stands in its own room."""
