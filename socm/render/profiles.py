"""The profiles that ``snakemake --profile`` finds in the workspace, one for each executor."""

from __future__ import annotations

import jinja2

from socm.clusters import Cluster, shipped_folder
from socm.core.models import Campaign
from socm.executors import EXECUTORS
from socm.graph import Plan
from socm.render.layout import yaml_literal


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
    return {
        f"{executor.name}/config.yaml": environment.get_template(f"{executor.name}/config.yaml.j2").render(
            campaign=campaign,
            cluster=cluster,
            limits=plan.limits,
            software_deployment=software_deployment(plan),
            **executor.profile_values(campaign, cluster, plan),
        )
        for executor in EXECUTORS.values()
    }


def software_deployment(plan: Plan) -> tuple[str, ...]:
    """Return Snakemake's names of the kinds of environment that the rules use."""
    used = {
        "conda": lambda rule: rule.spec.environment.conda,
        "env-modules": lambda rule: rule.spec.environment.modules,
    }
    return tuple(method for method, of in used.items() if any(map(of, plan.rules)))
