"""Clusters: what they have, and what a job asks of one."""

from socm.clusters.detected import Detected, cluster_toml
from socm.clusters.fit import MEASURED_RANK, THREAD_VARIABLES, JobResources, fit
from socm.clusters.limits import RunLimits, run_limits
from socm.clusters.load import cluster_names, load_cluster
from socm.clusters.model import SCHEDULERS, Cluster, Partition, Qos
from socm.clusters.shipped import shipped_folder

__all__ = [
    "MEASURED_RANK",
    "SCHEDULERS",
    "THREAD_VARIABLES",
    "Cluster",
    "Detected",
    "JobResources",
    "Partition",
    "Qos",
    "RunLimits",
    "cluster_names",
    "cluster_toml",
    "fit",
    "load_cluster",
    "run_limits",
    "shipped_folder",
]
