"""What `socm graph` shows: the same network as Snakemake's own graphs, in every format."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from graph_folder import Folder

TREE = """\
first  (1 job)
└─ each  (4 jobs)
   └─ by-band  (2 jobs)
      └─ maps-mission-tests  (2 jobs)
         ├─ maps-mission-tests-null-maps  (1 job)
         │  └─ null-tests-verdict  (1 job)
         └─ last  (1 job)
alone  (1 job)
"""
"""Of the rules, without edges that longer ways stand for."""
DRAWN = "{http://www.w3.org/2000/svg}"
Edges = set[tuple[str, str]]


def network_of(folder: Folder, level: str) -> tuple[dict[str, int], Edges]:
    """Return how many jobs each node has, and the edges."""
    said = json.loads(folder.says("socm", "graph", "campaign.toml", "--by", level, "--format", "json"))
    return {node["name"]: node["jobs"] for node in said["nodes"]}, {tuple(edge) for edge in said["edges"]}


def dot_edges(text: str) -> tuple[set[str], Edges]:
    """Return the nodes and edges of Graphviz text by the labels of its nodes."""
    labels = {
        number: label.replace("\\n", " ")
        for number, label in re.findall(r'^\s*(\d+|"[^"]*")\s*\[label = ?"([^"]*)"', text, re.MULTILINE)
    }
    edges = re.findall(r"^\s*(\d+) -> (\d+)\s*;?$", text, re.MULTILINE)
    return set(labels.values()), {(labels[before], labels[after]) for before, after in edges}


@pytest.mark.snakemake
def test_rules_hang_together_as_snakemake_says(folder: Folder) -> None:
    nodes, edges = network_of(folder, "rule")
    theirs, their_edges = dot_edges(folder.says("snakemake", "--profile", "local", "--rulegraph"))

    def name(rule: str) -> str:
        return rule.replace("-", "_")

    assert {name(rule) for rule in nodes} == theirs - {"all"}
    assert {(name(before), name(after)) for before, after in edges} == {
        edge for edge in their_edges if edge[1] != "all"
    }


@pytest.mark.snakemake
def test_jobs_hang_together_as_snakemake_says(folder: Folder) -> None:
    nodes, edges = network_of(folder, "job")
    theirs, their_edges = dot_edges(folder.says("snakemake", "--profile", "local", "--dag"))

    def name(job: str) -> str:
        rule, _, rest = job.partition("/")
        return rule.replace("-", "_") + (f" job: {rest}" if rest else "")

    assert {name(job) for job in nodes} == theirs - {"all"}
    assert {(name(before), name(after)) for before, after in edges} == {
        edge for edge in their_edges if edge[1] != "all"
    }
    assert set(nodes.values()) == {1}


def test_workflows_have_the_jobs_and_edges_of_their_rules(folder: Folder) -> None:
    nodes, edges = network_of(folder, "workflow")
    assert nodes == {
        "first": 1,
        "each": 4,
        "by-band": 2,
        "maps-mission-tests": 3,
        "last": 1,
        "alone": 1,
        "null-tests-verdict": 1,
    }
    of_rules = network_of(folder, "rule")[1]

    def workflow(rule: str) -> str:
        return rule.removesuffix("-null-maps")

    joined = {(workflow(before), workflow(after)) for before, after in of_rules}
    assert edges == {(before, after) for before, after in joined if before != after}


def test_tree_names_each_node_once_and_needs_no_short_cuts(folder: Folder) -> None:
    assert folder.says("socm", "graph", "campaign.toml", "--by", "rule") == TREE
    of_jobs = folder.says("socm", "graph", "campaign.toml", "--by", "job").splitlines()
    said = [line.strip("│├└─ ") for line in of_jobs]
    homes = [line.split("  ")[0] for line in said if not line.startswith("→")]
    assert sorted(homes) == sorted(network_of(folder, "job")[0])


def test_dot_and_mermaid_hold_every_node_and_edge(folder: Folder) -> None:
    for level in ("workflow", "rule", "job"):
        nodes, edges = network_of(folder, level)
        dot = folder.says("socm", "graph", "campaign.toml", "--by", level, "--format", "dot")
        found = dict(re.findall(r'^  "([^"]+)" \[label="[^"]*\\n(\d+) jobs?"\];$', dot, re.MULTILINE))
        assert {name: int(jobs) for name, jobs in found.items()} == nodes
        assert set(re.findall(r'^  "([^"]+)" -> "([^"]+)";$', dot, re.MULTILINE)) == edges
        mermaid = folder.says("socm", "graph", "campaign.toml", "--by", level, "--format", "mermaid")
        assert mermaid.startswith("flowchart TD\n")
        labels = dict(re.findall(r'^  (n\d+)\["([^<"]+)<br/>\d+ jobs?"\]$', mermaid, re.MULTILINE))
        arrows = re.findall(r"^  (n\d+) --> (n\d+)$", mermaid, re.MULTILINE)
        assert sorted(labels.values()) == sorted(nodes)
        assert {(labels[before], labels[after]) for before, after in arrows} == edges


def test_picture_has_a_box_for_each_node_below_all_that_it_waits_for(folder: Folder, tmp_path: Path) -> None:
    for level in ("workflow", "rule", "job"):
        file = tmp_path / f"{level}.svg"
        folder.says("socm", "graph", "campaign.toml", "--by", level, "--format", "svg", "-o", str(file))
        picture = ElementTree.fromstring(file.read_text())  # noqa: S314 -- our own
        boxes = [
            {name: float(box.attrib[name]) for name in ("x", "y", "width", "height")}
            for box in picture.iter(f"{DRAWN}rect")
        ]
        names = [text.text or "" for text in picture.iter(f"{DRAWN}text") if "class" not in text.attrib]
        place = dict(zip(names, boxes, strict=True))
        nodes, edges = network_of(folder, level)
        assert sorted(names) == sorted(nodes)
        assert all(place[after]["y"] > place[before]["y"] for before, after in edges)
        assert not any(overlap(one, other) for one in boxes for other in boxes if one is not other)
        assert len(list(picture.iter(f"{DRAWN}path"))) == len(without_short_cuts(edges))
        for box in boxes:
            assert box["x"] + box["width"] <= float(picture.attrib["width"])
            assert box["y"] + box["height"] <= float(picture.attrib["height"])


def overlap(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    return all(
        one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
        for start, size in (("x", "width"), ("y", "height"))
    )


def without_short_cuts(edges: Iterable[tuple[str, str]]) -> Edges:
    """Return the edges that no longer way stands for, by trying each one."""
    kept = set(edges)
    for edge in edges:
        reached, todo = set(), [edge[0]]
        while todo:
            now = todo.pop()
            more = {after for before, after in set(edges) - {edge} if before == now} - reached
            reached |= more
            todo += more
        if edge[1] in reached:
            kept.remove(edge)
    return kept


def test_workflows_whose_jobs_arent_known_yet_are_drawn_as_such(tmp_path: Path) -> None:
    (tmp_path / "first.txt").write_text("area")
    (tmp_path / "campaign.toml").write_text(
        """
[campaign.make]
workflow = "command"
executable = "true"
outputs = { context = "made/context.yaml" }
[campaign.maps]
workflow = "ml-mapmaking"
context = "${make.context}"
area = "first.txt"
output_dir = "results"
"""
    )
    folder = Folder(tmp_path)
    assert folder.says("socm", "graph", "campaign.toml") == (
        "make  (1 job)\n└─ maps  (known after the jobs before it)\n"
    )
    assert '"maps" [label="maps\\nknown after the jobs before it", style=dashed];' in folder.says(
        "socm", "graph", "campaign.toml", "--format", "dot"
    )
    assert 'class="waits"' in folder.says("socm", "graph", "campaign.toml", "--format", "svg")


def test_nothing_is_shown_of_a_campaign_with_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "campaign.toml").write_text(
        """[campaign.a]
workflow = "command"
executable = "cat"
inputs = "b.txt"
outputs = "a.txt"
[campaign.b]
workflow = "command"
executable = "cat"
inputs = "a.txt"
outputs = "b.txt"
"""
    )
    done = Folder(tmp_path).call("socm", "graph", "campaign.toml")
    assert (done.returncode, done.stdout) == (2, "")
    assert "error[dependency-cycle]: circular dependency between jobs: a → b → a" in done.stderr
    done = Folder(tmp_path).call("socm", "graph", "campaign.toml", "-o", str(tmp_path / "no" / "graph.txt"))
    assert done.returncode == 2


def test_a_picture_that_cant_be_written_is_told(folder: Folder, tmp_path: Path) -> None:
    done = folder.call("socm", "graph", "campaign.toml", "-o", str(tmp_path / "no" / "graph.txt"))
    assert done.returncode != 0
    assert "error[file-problem]" in done.stderr
    assert "Traceback" not in done.stderr
