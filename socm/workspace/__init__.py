"""A compiled workspace: its jobs, what became of them, what they left, and who holds it."""
