"""A workflow of one's own for socm."""
