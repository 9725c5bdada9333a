"""The squeue and sacct that Snakemake finds: a job that ended is seen to have ended, however it did.

Run as a script that knows nothing of the rest: ``look.py FOLDER PROGRAM ARGUMENT...``. FOLDER is the one
whose ``squeue`` and ``sacct`` call this, PROGRAM is Slurm's own of the two. Snakemake waits for ever for a
job that squeue no longer lists (MinJobAge passed while nobody looked, the controller lost its records), and
for one in a last state that it takes for one that passes: PREEMPTED without being queued again, "CANCELLED by
1000".
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

SUBMITTED = "submitted"
"""File in FOLDER with the id of each job of this run, a line each: see submit.py."""
ENDING = "ending"
"""File in FOLDER that says that the run ends; see submit.py."""
ENDED = "ended"
"""File in FOLDER with `id|state` of each job that only the accounts remember."""
ENDS = frozenset({"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "OUT_OF_MEMORY", "TIMEOUT"})
"""States that Snakemake knows as ends."""
TAKEN_FOR_PASSING = frozenset({"PREEMPTED", "NODE_FAIL", "REVOKED"})
"""Ends that it doesn't; Slurm leaves them within seconds if it queues the job again."""
LASTING_SECONDS = 60.0
IDS_AT_ONCE = 500
ACCOUNTS_SECONDS = 20.0


def rows_of(text: str) -> dict[str, str]:
    """Return id → state of lines `id|state`; of a state with more words the first."""
    rows = (line.strip().partition("|") for line in text.splitlines() if "|" in line)
    return {number: (state.split() or [""])[0] for number, _, state in rows}


def lasting(folder: Path, number: str, state: str, now: float) -> bool:
    """Return whether a job has been in a state for so long that it stays; notes when it was seen first."""
    note = folder / f"{number}.{state}"
    with contextlib.suppress(OSError):
        if not note.exists():
            note.touch()
        return now - note.stat().st_mtime >= LASTING_SECONDS
    return False


def in_accounts(numbers: Iterable[str]) -> dict[str, str]:
    """Return id → state of the jobs that have ended by Slurm's accounts; empty if they don't answer."""
    ids, found = list(numbers), dict[str, str]()
    for start in range(0, len(ids), IDS_AT_ONCE):
        some = ",".join(ids[start : start + IDS_AT_ONCE])
        words = ("--allocations", "--noheader", "--parsable2", "--clusters=all", "--format=JobIDRaw,State")
        try:
            done = subprocess.run(
                ("sacct", *words, f"--jobs={some}"),
                capture_output=True,
                text=True,
                check=False,
                errors="replace",
                timeout=ACCOUNTS_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired):
            break
        found |= rows_of(done.stdout) if done.returncode == 0 else {}
    known = ENDS | TAKEN_FOR_PASSING
    return {number: state for number, state in found.items() if number in ids and state in known}


def shown(folder: Path, listed: Mapping[str, str], now: float) -> dict[str, str]:
    """Return id → state as Snakemake understands it."""
    with contextlib.suppress(OSError):
        for note in [*folder.iterdir()]:
            number, _, state = note.name.partition(".")
            if state in TAKEN_FOR_PASSING and listed.get(number, state) != state:
                # Slurm queued it again: the next such state is a new one.
                note.unlink(missing_ok=True)
    return {
        number: "FAILED" if state in TAKEN_FOR_PASSING and lasting(folder, number, state, now) else state
        for number, state in listed.items()
    }


def lost(folder: Path, listed: Collection[str]) -> dict[str, str]:
    """Return id → state of the jobs of this run that have ended and that squeue doesn't list."""
    texts = {}
    for name in (SUBMITTED, ENDED):
        with contextlib.suppress(OSError):
            texts[name] = (folder / name).read_text()
    gone = [number for number in texts.get(SUBMITTED, "").split() if number not in listed]
    found = rows_of(texts.get(ENDED, ""))
    if unknown := [number for number in dict.fromkeys(gone) if number not in found]:
        answer = in_accounts(unknown)
        found |= answer
        with contextlib.suppress(OSError), (folder / ENDED).open("a") as file:
            file.writelines(f"{number}|{state}\n" for number, state in answer.items())
    return {
        number: "FAILED" if found[number] in TAKEN_FOR_PASSING else found[number]
        for number in gone
        if number in found
    }


def main() -> int:
    """Answer as Slurm's own command does, in words that Snakemake understands, and for jobs that it lost."""
    place, program, *arguments = sys.argv[1:]
    folder = Path(place)
    path = os.environ.get("PATH", "").split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join(one for one in path if one != place)
    done = subprocess.run((program, *arguments), stdout=subprocess.PIPE, check=False)
    if done.returncode == 0:
        rows = rows_of(done.stdout.decode(errors="replace"))
        rows = shown(folder, rows, time.time())
        if Path(program).name == "squeue":
            rows |= lost(folder, rows)
        sys.stdout.buffer.write("".join(f"{number}|{state}\n" for number, state in rows.items()).encode())
    # A run that ends waits for its last look, which Snakemake repeats until one succeeds.
    return 0 if (folder / ENDING).exists() else done.returncode


if __name__ == "__main__":
    sys.exit(main())
