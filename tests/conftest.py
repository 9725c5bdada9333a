"""What every test shares: in CI a skipped test is a failed one; which tests run in one process; paths of the checkout."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from programs import Ran, Socm

from socm.cli import main

NO_SKIP = bool(os.environ.get("SOCM_NO_SKIP"))
TESTS = Path(__file__).parent
SHARING = frozenset({"end_to_end", "graph", "judge", "slurm"})
"""Folders whose modules share a fixture of the session; Slurm's is the only cluster of the machine."""
LONGEST = ("slurm", "nulls/test_nulls_mapmaker.py", "end_to_end")
"""Groups that decide when the last process is done, so they start first."""


if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # A shell starts what runs in the background deaf to Ctrl-C, and so would be what tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if NO_SKIP and report.outcome == "skipped":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"nothing may be skipped here: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    _fail_if_skipped(report)
    return report


def _group(nodeid: str) -> str:
    """Return the tests that run in one process: those that share a fixture, else those of a module."""
    module = nodeid.partition("::")[0].removeprefix("tests/")
    folder = module.partition("/")[0]
    return folder if folder in SHARING else module


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Hand out groups, in their order."""
    from xdist.scheduler import LoadScopeScheduling

    class GroupScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(nodeid)

    config.option.loadscopereorder = False
    return GroupScheduling(config, log)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark of what runs only where it is asked for."""
    config.addinivalue_line("markers", "validation: takes minutes; `pytest -m validation` runs it")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put first what takes longest; leave out what `make validate` asks for by its mark."""
    if "validation" not in config.option.markexpr:
        left_out = [item for item in items if item.get_closest_marker("validation")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    order = {group: number for number, group in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(_group(item.nodeid), len(order)))


@pytest.fixture(autouse=True)
def _no_cluster(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the cluster that Slurm's tests start from all others, which may run beside them."""
    if request.node.get_closest_marker("slurm") is None:
        monkeypatch.setenv("SLURM_CONF", "/nonexistent/slurm.conf")


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A test's own folder, which every user reaches: pytest shuts its own, each time that it starts."""
    with tempfile.TemporaryDirectory(prefix="socm-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The folder of the checkout."""
    return Path(__file__).parent.parent


@pytest.fixture
def socm(capsys: pytest.CaptureFixture[str]) -> Socm:
    """Run socm in this process."""

    def call(*words: str | Path) -> Ran:
        with pytest.raises(SystemExit) as stop:
            main([str(word) for word in words])
        said = capsys.readouterr()
        return Ran(stop.value.code or 0, said.out, said.err)

    return call
