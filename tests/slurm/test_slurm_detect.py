"""`socm cluster detect` on a real cluster: what it writes is what jobs are then fitted to."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from cluster import ACCOUNT

from socm.cli.main import cli
from socm.clusters.fit import fit
from socm.clusters.load import load_cluster
from socm.core.models import Resources
from socm.diagnostics import DiagnosticError

pytestmark = pytest.mark.slurm

DETECTED = """\
# socmtest, partition main: 4 nodes of 8 cores and 16,000 MB.
# accounts: root, simonsobs.
# features of its nodes, for `constraint`: big, small.
name = "socmtest"
scheduler = "slurm"
nodes = 4
cores_per_node = 8
memory_per_node = "16000 MB"
walltime = "48h"
partition = "main"
account = "simonsobs"
launcher = "srun --nodes={nodes} --ntasks={ranks} --cpus-per-task={cpus}"

# Longest run time, jobs of a user that run at once or wait, cores of a user's running jobs.
[qos]
test = { walltime = "10m", jobs = 2, cores = 16 }
short = { walltime = "2h", jobs = 24, cores = 32 }
long = { walltime = "48h", jobs = 4, cores = 16 }
normal = {}

# Where other partitions differ.
[partitions]
debug = { nodes = 1, walltime = "10m" }
tight = { nodes = 1, memory_per_core = "1000 MB" }
smt = { nodes = 1, threads_per_core = 2, walltime = "48h" }
"""


def test_the_file_of_the_cluster_at_hand(slurm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(cli, ["cluster", "detect"], catch_exceptions=False)
    assert ran.output == 'Wrote socmtest.toml. In the campaign: resource = "./socmtest.toml"\n'
    assert (tmp_path / "socmtest.toml").read_text() == DETECTED
    cluster = load_cluster("./socmtest.toml", tmp_path)
    job = fit(Resources(ranks=10, threads=2, runtime="1h"), cluster)
    assert (job.nodes, job.qos, job.account) == (3, "short", ACCOUNT)


def test_a_file_that_is_there_stays(slurm, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("precious")
    with pytest.raises(DiagnosticError, match="this file is there already"):
        CliRunner().invoke(cli, ["cluster", "detect", "-o", str(file)], catch_exceptions=False)
    assert file.read_text() == "precious"
    CliRunner().invoke(cli, ["cluster", "detect", "--force", "-o", str(file)], catch_exceptions=False)
    assert file.read_text() == DETECTED


def test_another_partition_has_its_own_limits(slurm):
    ran = CliRunner().invoke(
        cli, ["cluster", "detect", "--partition", "debug", "-o", "-"], catch_exceptions=False
    )
    assert 'partition = "debug"' in ran.output
    assert 'walltime = "10m"' in ran.output
    with pytest.raises(DiagnosticError, match="there is no partition `debgu`") as caught:
        CliRunner().invoke(cli, ["cluster", "detect", "--partition", "debgu"], catch_exceptions=False)
    assert caught.value.diagnostics[0].hint == "did you mean `debug`?"
