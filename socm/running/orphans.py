"""Jobs that outlive a killed Snakemake: found, waited for or cancelled, never written over."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from socm.executors.base import Executor, ExecutorSilentError, QueuedJob
from socm.executors.used import used_in

SILENCE_SECONDS = 900
"""How long an executor may be silent before waiting is given up."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Orphans:
    """What still runs of an earlier run, by the executor that knows it."""

    jobs: Mapping[Executor, tuple[QueuedJob, ...]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any(self.jobs.values())

    def __str__(self) -> str:
        return "\n".join(line for executor, jobs in self.jobs.items() for line in executor.describe(jobs))


def find_orphans(workspace: Path, executors: Iterable[Executor] | None = None) -> Orphans:
    """Return what runs for a workspace that nobody runs. Raises ExecutorSilentError.

    By default the executors are asked that the workspace was ever run with, no others.
    """
    asked = used_in(workspace) if executors is None else executors
    found = {executor: executor.queued_jobs(workspace) for executor in asked}
    return Orphans({executor: jobs for executor, jobs in found.items() if jobs})


def wait_for_orphans(
    workspace: Path, say: Say, executors: Sequence[Executor] | None = None, pause_seconds: float = 2
) -> bool:
    """Wait until nothing of an earlier run is left; return whether there was anything.

    The pause between two looks grows to half a minute. Raises ExecutorSilentError when an executor
    has not answered for a quarter of an hour, and KeyboardInterrupt at SIGINT and SIGTERM.
    """
    with _sigterm_interrupts():
        return _wait(lambda: find_orphans(workspace, executors), say, pause_seconds)


def _wait(find: Callable[[], Orphans], say: Say, pause_seconds: float) -> bool:
    last: Orphans | None = None
    silent_since: float | None = None
    while True:
        try:
            orphans = find()
        except ExecutorSilentError as error:
            now = time.monotonic()
            if silent_since is None:
                silent_since = now
                say(
                    f"Jobs of an earlier run may still be queued, but there is no answer ({error}); retrying."
                )
            if now - silent_since > SILENCE_SECONDS:
                raise
            time.sleep(pause_seconds)
            continue
        silent_since = None
        if not orphans:
            return last is not None
        if last is None:
            say(f"{orphans}\nWaiting until they end, so that no two write one output.")
        last = orphans
        time.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * 1.5, 30)


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Let SIGTERM end what waits as Ctrl-C does: Snakemake's own handler only makes a note of it."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def cancel_orphans(workspace: Path, say: Say, timeout_seconds: float = 120) -> Orphans:
    """Cancel what is left of an earlier run and wait until it is gone; return what there was.

    Raises ExecutorSilentError, and TimeoutError if something does not end.
    """
    orphans = find_orphans(workspace)
    if not orphans:
        return orphans
    say(f"{orphans}\nCancelling them.")
    for executor, jobs in orphans.jobs.items():
        executor.cancel(jobs)
    end = time.monotonic() + timeout_seconds
    while left := find_orphans(workspace):
        if time.monotonic() > end:
            raise TimeoutError(f"{left}\nThese did not end within {timeout_seconds:.0f} s.")
        time.sleep(1)
        if time.monotonic() > end - timeout_seconds / 2:
            for executor, jobs in left.jobs.items():
                executor.cancel(jobs, at_once=True)
    return orphans
