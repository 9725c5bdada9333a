"""The profiles that ``snakemake --profile`` finds in the workspace, one for each executor."""

from __future__ import annotations

from socm.clusters.model import Cluster
from socm.core.models import Campaign
from socm.executors.registry import EXECUTORS
from socm.graph.plan import Plan
from socm.render.snakefile import templates


def render_profiles(campaign: Campaign, cluster: Cluster, plan: Plan) -> dict[str, str]:
    """Return the profiles, path to text, with the limits of the cluster's QoS in them."""
    profiles = templates("profiles")
    return {
        f"{executor.name}/config.yaml": profiles.get_template(f"{executor.name}/config.yaml.j2").render(
            campaign=campaign,
            cluster=cluster,
            limits=plan.limits,
            software_deployment=software_deployment(plan),
            **executor.profile_values(campaign, cluster, plan),
        )
        for executor in EXECUTORS.values()
        if executor.runs_under in (None, cluster.scheduler)
    }


def software_deployment(plan: Plan) -> tuple[str, ...]:
    """Return Snakemake's names of the kinds of environment that the rules use."""
    used = {
        "conda": lambda rule: rule.spec.environment.conda,
        "env-modules": lambda rule: rule.spec.environment.modules,
    }
    return tuple(method for method, of in used.items() if any(map(of, plan.rules)))
