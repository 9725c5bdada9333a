"""Clusters: what they have, and what a job asks of one."""

from socm.clusters.fit import JobResources, fit, local_launcher
from socm.clusters.limits import RunLimits, run_limits
from socm.clusters.load import cluster_names, load_cluster
from socm.clusters.model import Cluster, Qos
from socm.clusters.shipped import shipped_folder

__all__ = [
    "Cluster",
    "JobResources",
    "Qos",
    "RunLimits",
    "cluster_names",
    "fit",
    "load_cluster",
    "local_launcher",
    "run_limits",
    "shipped_folder",
]
