"""Clusters: what they have, and what a job asks of one."""
