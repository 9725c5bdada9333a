"""A run of a workspace: what must be so before it, one at a time, and no job twice at once."""
