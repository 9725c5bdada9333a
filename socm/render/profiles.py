"""The profiles that ``snakemake --profile slurm`` and ``--profile local`` find in the workspace."""

from __future__ import annotations

import re
from dataclasses import dataclass

import jinja2

from socm.clusters import Cluster, local_launcher, shipped_folder
from socm.core.models import Campaign
from socm.graph import Plan
from socm.render.layout import yaml_literal

PROFILES = ("local", "slurm")
LONGEST_JOB_NAME = 50


@dataclass(frozen=True, slots=True)
class MpiRule:
    """A rule with several ranks, as the local profile starts it."""

    identifier: str
    cores: int
    launcher: str


def render_profiles(campaign: Campaign, cluster: Cluster, plan: Plan) -> dict[str, str]:
    """Return the profiles, path to text, with the limits of the cluster's QoS in them."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(shipped_folder("profiles")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 -- YAML, not HTML
    )
    environment.filters["yaml"] = yaml_literal
    local_cores = cluster.cores_per_node if cluster.scheduler == "local" else None
    return {
        f"{name}/config.yaml": environment.get_template(f"{name}/config.yaml.j2").render(
            campaign=campaign,
            cluster=cluster,
            limits=plan.limits,
            cores=local_cores or "all",
            job_name_prefix=job_name_prefix(campaign.name),
            software_deployment=software_deployment(plan),
            mpi_rules=[
                MpiRule(rule.identifier, rule.resources.cores, local_launcher(rule.resources))
                for rule in plan.rules
                if rule.resources.tasks > 1
            ],
        )
        for name in PROFILES
    }


def software_deployment(plan: Plan) -> tuple[str, ...]:
    """Return Snakemake's names of the kinds of environment that the rules use."""
    used = {
        "conda": lambda rule: rule.spec.environment.conda,
        "env-modules": lambda rule: rule.spec.environment.modules,
    }
    return tuple(method for method, of in used.items() if any(map(of, plan.rules)))


def job_name_prefix(campaign: str) -> str:
    """Return the campaign's name as the Slurm executor takes it: at most 50 of A–Z a–z 0–9 _ -."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", campaign)[:LONGEST_JOB_NAME]
