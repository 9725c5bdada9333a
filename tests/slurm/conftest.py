"""The cluster that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from campaigns import Workspace
from cluster import SlurmCluster, missing_parts


@pytest.fixture(scope="session")
def slurm_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """A running cluster with an empty queue; tests take `slurm`."""
    reason = missing_parts()
    if reason:
        pytest.skip(reason)
    with SlurmCluster(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture
def slurm(slurm_session: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmCluster]:
    """The running cluster; whatever a test left in the queue is cancelled."""
    for variable, value in slurm_session.environment.items():
        monkeypatch.setenv(variable, value)
    yield slurm_session
    slurm_session.cancel_all()


@pytest.fixture
def workspace(slurm: SlurmCluster, tmp_path: Path) -> Iterator[Workspace]:
    """An empty workspace on the cluster."""
    workspace = Workspace(tmp_path / "workspace", slurm)
    yield workspace
    workspace.stop()
