"""The storyboard of a compile: load → select → split → plan → render → write.

Each phase takes what the one before it made. The phases before the write read files and change
none, so that `check`, `diff` and `splits` are the same story, stopped earlier.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import shlex
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from socm.clusters.fit import JobResources
from socm.clusters.limits import run_limits
from socm.clusters.load import load_cluster
from socm.clusters.model import Cluster
from socm.config import LoadedCampaign
from socm.core.jobs import RuleSpec
from socm.core.models import Campaign, ClusterSize, Workflow
from socm.core.shells import is_plain
from socm.diagnostics import Collector, Diagnostic, DiagnosticError, KeyPath, Severity
from socm.executors.registry import EXECUTORS
from socm.formats.layout import CONDA_ENVIRONMENTS
from socm.formats.manifest import ObservationsRead
from socm.graph.checks import check_plan
from socm.graph.grouping import group_jobs
from socm.graph.learnt import Learning
from socm.graph.plan import Plan, make_plan
from socm.graph.planned import Planned
from socm.graph.sharing import share_jobs
from socm.planning.deadline import check_deadline
from socm.planning.forecast import forecast, in_order
from socm.planning.model import model_of
from socm.reads import real_path
from socm.render import Written, render_workspace, write_workspace
from socm.render.profiles import render_profiles
from socm.workflows.observing import Observing, Selection, Terms
from socm.workflows.plugins import load_with_plugins
from socm.workflows.program import rules_of
from socm.workflows.requirements import check_programs
from socm.workflows.selecting import Reader, doubts_about_run
from socm.workflows.verdict import verdict_rules
from socm.workspace.ways import obstacles_in

LAUNCHERS = frozenset[str]().union(*(executor.launchers for executor in EXECUTORS.values()))


@dataclass(frozen=True)
class Compiled:
    """A campaign compiled in memory: everything a write needs, and nothing written."""

    loaded: LoadedCampaign
    workspace: Path
    selections: tuple[Selection, ...]
    cluster: Cluster
    plan: Plan
    sources: Mapping[str, str]
    """The files that were compiled: name to digest."""
    waiting: tuple[str, ...] = ()
    """Workflows whose jobs are known only when others have run: compile again then."""
    unchecked: tuple[str, ...] = ()
    """Workflows that are left out because plugins are off: what is compiled is a part of the campaign."""
    diagnostics: tuple[Diagnostic, ...] = field(default=())

    @cached_property
    def contents(self) -> Mapping[str, bytes]:
        """Every file of the workspace, path to content; rendered when it is first asked for."""
        return render_workspace(
            self.plan,
            campaign=self.loaded.campaign.name,
            sources=self.sources,
            observations=_digests(self.selections),
            extra_files={
                **render_profiles(self.loaded.campaign, self.cluster, self.plan),
                **{path: text for one in self.selections for path, text in one.files().items()},
            },
        )


def compile_campaign(
    file: Path,
    output: Path | None = None,
    *,
    columns: Collection[str] = (),
    loaded: LoadedCampaign | None = None,
    plugins: bool = True,
    with_deadline: bool = True,
) -> Compiled:
    """Compile a campaign file in memory; `output` is the workspace, by default the file's folder.

    `columns` are columns of the observations to read besides those that the workflows need; `loaded`
    is the campaign where it was read already. Without `plugins` no code that the file names runs, and without
    `with_deadline` the run isn't simulated to hold it against the campaign's deadline.
    Raises DiagnosticError with every problem of the phase that failed, each at its place.
    """
    loaded = loaded or load_with_plugins(file, plugins=plugins)
    problems = Collector(list(loaded.diagnostics))
    try:
        workspace = output if output is not None else file.parent
        cluster = _load_cluster(loaded, file.parent, problems)
        reader = Reader(file.parent, loaded.campaign.workflows, columns)
        selections, planned = _plan_workflows(loaded, reader, workspace, cluster, problems)
        problems.raise_if_errors()
        assert cluster is not None  # noqa: S101 -- its loading would have raised
        _check_folder(workspace, cluster, problems)
        rules = share_jobs(planned.in_file_order())
        rules += [(spec, ("campaign",)) for spec in verdict_rules([spec for spec, _ in rules])]
        specs = _bring_environments(group_jobs(rules), file.parent, problems)
        plan = _fit_to_cluster(specs, cluster, Learning(file.parent, workspace), problems)
        found = check_plan(
            plan,
            lambda path: os.path.exists(file.parent / path),  # noqa: PTH110 -- False for what can't be named
            _places_in(workspace),
            _lasting_obstacles(workspace),
        )
        problems.extend(_as_known(found, planned))
        problems.raise_if_errors()
        plan = in_order(plan, cluster)
        if loaded.campaign.deadline is not None and with_deadline:
            from socm.workspace.prediction import known_run_times

            course = forecast(model_of(plan, cluster, known_run_times(workspace, plan, file.parent)))
            problems.extend(check_deadline(course, loaded.campaign.deadline * 60.0))
        problems.extend(doubts_about_run(loaded.campaign.workflows, selections))
    except DiagnosticError as error:
        raise DiagnosticError(loaded.document.locate_all(error.diagnostics)) from None
    sources = {file.name: hashlib.sha256(file.read_bytes()).hexdigest()}
    located = loaded.document.locate_all(problems.diagnostics)
    waiting, unchecked = tuple(planned.waiting), tuple(planned.unchecked)
    return Compiled(loaded, workspace, selections, cluster, plan, sources, waiting, unchecked, located)


def write(compiled: Compiled, *, force: bool = False) -> Written:
    """Write what was compiled; files that already are as they should be stay untouched.

    Raises DiagnosticError where files would be lost that are not as the last compile left them; `force`
    writes over them.
    """
    return write_workspace(compiled.workspace, compiled.contents, force=force)


def _load_cluster(loaded: LoadedCampaign, base: Path, problems: Collector) -> Cluster | None:
    with problems.at(("campaign", "resource")):
        cluster = load_cluster(loaded.campaign.resource, base)
        problems.extend(_check_share(loaded.campaign.resources, cluster))
        return cluster.of_size(loaded.campaign.resources)
    return None


def _check_share(share: ClusterSize, cluster: Cluster) -> Iterator[Diagnostic]:
    """Yield where a campaign takes more of a cluster than there is."""
    for key, what in (("nodes", "nodes"), ("cores_per_node", "cores a node")):
        asked, there = getattr(share, key), getattr(cluster, key)
        if asked is not None and there is not None and asked > there:
            message = f"the campaign takes {asked:,} {what}, and {cluster.name} has {there:,}"
            key_path = ("campaign", "resources", key)
            yield Diagnostic(
                "share-too-large", message, key=key_path, hint=f"{key} = {there}, or leave it out"
            )


def _as_known(problems: Sequence[Diagnostic], planned: Planned) -> Iterator[Diagnostic]:
    """Yield what is wrong with a plan; a workflow that isn't planned may make what seems to be missing."""
    for problem in problems:
        unsure = planned.unchecked and problem.code == "missing-input"
        yield replace(problem, severity=Severity.WARNING) if unsure else problem


def _check_folder(workspace: Path, cluster: Cluster, problems: Collector) -> None:
    folder = str(workspace.absolute())
    executor = EXECUTORS[cluster.scheduler]
    if executor.submits and not is_plain(folder):
        message = f"jobs can't be submitted to {executor.title} from {folder!r}: a shell would change it"
        hint = "move the campaign to a folder without $, quotes and backslashes in its path"
        problems.error("bad-path", message, key=("campaign", "resource"), hint=hint)


def _plan_workflows(
    loaded: LoadedCampaign, reader: Reader, workspace: Path, cluster: Cluster | None, problems: Collector
) -> tuple[tuple[Selection, ...], Planned]:
    """Select, split and plan each workflow after those it refers to; a failed one stops its readers."""
    campaign = loaded.campaign
    planned = Planned(campaign.workflows)
    cores = cluster.cores_per_node if cluster else None
    terms = Terms(reader.base, workspace, planned.made, campaign.seed, campaign.min_coverage, cores)
    selections: dict[int, Selection] = {}
    failed: set[str] = set()
    reported: set[str] = set()

    def once(diagnostics: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
        """Yield what isn't reported yet of another workflow."""
        for diagnostic in diagnostics:
            if diagnostic.message not in reported:
                reported.add(diagnostic.message)
                yield diagnostic

    def plan(workflow: Workflow, found: Collector) -> None:
        ready = planned.resolve(workflow)
        found.extend(once(check_programs(ready, reader.base, LAUNCHERS)))
        ready = ready.read_files(reader.base)
        if not isinstance(ready, Observing):
            planned.add(workflow, rules_of(ready))
            return
        found.extend(ready.notes(terms, _table_at(loaded.document.data, workflow.path)))
        if maker := planned.maker_of_observations(ready.context, ready.query, reader.base):
            planned.waiting[workflow.name] = maker
            return
        selection = selections[id(workflow)] = reader.select(ready, terms)
        found.extend(reader.absent_files(selection, terms))
        found.extend(once(d.under(("context",)) for d in selection.observations.warnings))
        planned.add(workflow, ready.plan(selection, terms))
        found.extend(selection.splits.warnings if selection.splits else ())

    for workflow in _in_order(campaign):
        needed = {one.name for name in workflow.dependencies for one in campaign.named(name)}
        found = Collector()
        if not needed & failed and not planned.leaves_out(workflow, needed):
            with found.at():
                plan(workflow, found)
        problems.extend(d.under(workflow.path) for d in found.diagnostics)
        if needed & failed or found.has_errors:
            failed.add(workflow.name)
    problems.extend(planned.notes())
    in_file_order = (selections.get(id(workflow)) for workflow in campaign.workflows)
    return tuple(filter(None, in_file_order)), planned


def _table_at(document: Mapping[str, Any], path: Sequence[str]) -> Mapping[str, Any]:
    """Return the table of a workflow as the file has it, without what it inherits."""
    table: Any = document
    for key in path:
        table = table[key] if isinstance(table, Mapping) and key in table else {}
    return table if isinstance(table, Mapping) else {}


def _in_order(campaign: Campaign) -> Iterator[Workflow]:
    """Yield workflows after those they depend on, otherwise in the order of the file.

    The campaign was checked for circles when it was read.
    """
    order = TopologicalSorter[str]()
    for workflow in campaign.workflows:
        needed = (one.name for name in workflow.dependencies for one in campaign.named(name))
        order.add(workflow.name, *needed)
    for name in order.static_order():
        yield from (one for one in campaign.workflows if one.name == name)


def _bring_environments(
    specs: Sequence[tuple[RuleSpec, KeyPath]], base: Path, problems: Collector
) -> list[tuple[RuleSpec, KeyPath]]:
    """Copy each conda file that a rule names into the workspace, under a name of its own."""
    names: dict[str, str] = {}
    brought = []
    for spec, key in specs:
        conda = spec.environment.conda
        if conda is None or not conda.endswith((".yaml", ".yml")):
            brought.append((spec, key))
            continue
        with problems.at((*key, "environment", "conda")):
            text = _read_environment(conda, base)
            stem = posixpath.splitext(posixpath.basename(conda))[0]
            number = sum(posixpath.splitext(posixpath.basename(other))[0] == stem for other in names)
            name = names.setdefault(
                conda, f"{CONDA_ENVIRONMENTS}/{stem}{f'-{number + 1}' if number else ''}.yaml"
            )
            environment = spec.environment.model_copy(update={"conda": name})
            brought.append((replace(spec, environment=environment, files={**spec.files, name: text}), key))
    problems.raise_if_errors()
    return brought


def _read_environment(conda: str, base: Path) -> str:
    path = base / conda.removeprefix("file://")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise DiagnosticError.of(
            "missing-file", f"the conda environment {conda} can't be read: {reason}"
        ) from None


def _fit_to_cluster(
    specs: Sequence[tuple[RuleSpec, KeyPath]], cluster: Cluster, learning: Learning, problems: Collector
) -> Plan:
    """Say what each rule gets on the cluster; inherited resources that don't fit are reported once."""
    counts = Counter(spec.name for spec, _ in specs for _ in spec.jobs)
    asking: list[tuple[RuleSpec, KeyPath]] = []
    fitted: dict[str, JobResources] = {}
    for spec, key in specs:
        table = (*key, *spec.resources_key)
        found = Collector()
        with problems.at(table):
            problems.extend(d.under((*table, "extra")) for d in _option_problems(spec))
            asks, fitted[spec.name] = learning.fitted(spec, cluster, found, counts[spec.name])
            asking.append((asks, key))
        problems.extend(d.under(table) for d in found.diagnostics)
    problems.raise_if_errors()
    return make_plan(asking, fitted, lambda rules: run_limits(rules, cluster))


def _option_problems(spec: RuleSpec) -> Iterator[Diagnostic]:
    words = shlex.split(spec.resources.extra or "")
    for executor in EXECUTORS.values():
        if problem := executor.option_problem(words):
            yield problem


def _places_in(workspace: Path) -> Callable[[str], str]:
    """Return the function that says where a path of the workspace leads, whatever links are on the way."""
    real_folder = cache(lambda folder: real_path(workspace / folder))
    return lambda path: posixpath.join(real_folder(posixpath.dirname(path)), posixpath.basename(path))


def _lasting_obstacles(workspace: Path) -> Callable[[str], str | None]:
    """Return the function that says what is in the way of a path, whoever runs the campaign."""
    obstacle_of = obstacles_in(workspace)

    def obstacle(path: str) -> str | None:
        found = obstacle_of(path)
        return None if found is None or found.is_closed else str(found)

    return obstacle


def _digests(selections: Sequence[Selection]) -> list[ObservationsRead]:
    """Return for each context and query how many observations were read, and their digest."""
    tables = {(one.workflow.context, one.workflow.query): one.observations for one in selections}
    return [
        ObservationsRead(context=context, query=query, observations=len(table), digest=table.digest())
        for (context, query), table in sorted(tables.items())
    ]


__all__ = ["Compiled", "Selection", "compile_campaign", "write"]
