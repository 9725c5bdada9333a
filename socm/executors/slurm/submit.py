"""The sbatch that Snakemake finds: what Slurm refuses only for now is submitted later.

Run as a script that knows nothing of the rest, since it starts once a job:
``submit.py FOLDER SBATCH ARGUMENT...``. FOLDER is the one whose ``sbatch`` calls this, SBATCH is
Slurm's own.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

PASSING = re.compile(
    r"\b(?:QOS|Assoc)\w*Submit\w*Limit\b"
    r"|temporarily unable to accept job"
    r"|Unable to contact slurm controller"
    r"|Required partition not available \(inactive or drain\)"
    r"|backup controller in standby",
    re.IGNORECASE,
)
"""Words of a refusal that passes: limits on jobs in the queue, and what is down for a while."""
UNSURE = re.compile(
    r"Socket timed out|Zero Bytes were transmitted|Unexpected message received", re.IGNORECASE
)
"""Words after which the job may be in the queue all the same."""

ENDING = "ending"
"""File beside the notes that says that nothing more is submitted: the run ends."""
SUBMITTED = "submitted"
"""File beside the notes with the ids of the jobs that Slurm took."""
REFUSED = "refused.log"
"""File beside Slurm's logs of a job that holds the words of its last refusal."""
FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 60.0


def option(arguments: list[str], name: str) -> str:
    """Return the value of an option of sbatch; empty if it isn't given."""
    for place, word in enumerate(arguments):
        if word == name and place + 1 < len(arguments):
            return arguments[place + 1]
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return ""


def words_of(stderr: str) -> list[str]:
    """Return Slurm's own words, each once, without the name of the command."""
    lines = (re.sub(r"^sbatch: (?:error: )?", "", line).strip() for line in stderr.splitlines())
    return list(dict.fromkeys(line for line in lines if line))


def queued_id(arguments: list[str]) -> str | None:
    """Return the id of this job if it is in the queue after all; None if Slurm doesn't know it.

    Raises OSError while Slurm doesn't answer.
    """
    done = subprocess.run(
        ("squeue", "--noheader", "--all", f"--name={option(arguments, '--job-name')}", "--format=%i|%k"),
        capture_output=True,
        text=True,
        check=False,
        errors="replace",
    )
    if done.returncode:
        raise OSError(done.stderr.strip())
    rows = (line.strip().partition("|") for line in done.stdout.splitlines())
    return next((number for number, _, label in rows if label == option(arguments, "--comment")), None)


def run_goes_on(run: str) -> bool:
    """Return whether the Snakemake that submits lives: `run` is its process id and start."""
    pid, _, start = run.partition(" ")
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return fields[0] not in "ZX" and fields[19] == start


def wait(seconds: float, notes: Path, run: str) -> bool:
    """Wait; return whether the job is still wanted."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if (notes / ENDING).exists() or not run_goes_on(run):
            return False
        time.sleep(min(1.0, seconds))
    return True


def submit(notes: Path, sbatch: str, arguments: list[str]) -> int:
    """Submit until Slurm takes the job or refuses it for good; return the exit code of sbatch."""
    script = None if any(word.startswith("--wrap") for word in arguments) else sys.stdin.buffer.read()
    run = os.environ.get("SOCM_RUN", "")
    output = option(arguments, "--output")
    refused = Path(output).parent / REFUSED if output else None
    note = notes / f"{os.getpid()}.json"
    pause = FIRST_PAUSE_SECONDS
    is_unsure = False
    while True:
        try:
            number = queued_id(arguments) if is_unsure else None
        except OSError as error:
            code, out, err = 1, b"", str(error)
        else:
            if number is not None:
                out, err, code = f"{number}\n".encode(), "", 0
                break
            done = subprocess.run((sbatch, *arguments), input=script, capture_output=True, check=False)
            code, out, err = done.returncode, done.stdout, done.stderr.decode(errors="surrogateescape")
            is_unsure = bool(UNSURE.search(err))
        passes = code != 0 and (is_unsure or PASSING.search(err) is not None)
        if not passes:
            if refused is not None:
                with contextlib.suppress(OSError):
                    if code:
                        refused.write_text("\n".join(words_of(err)) + "\n", errors="replace")
                    else:
                        refused.unlink(missing_ok=True)
            break
        with contextlib.suppress(OSError):
            text = json.dumps(
                {"label": option(arguments, "--comment"), "words": words_of(err), "pid": os.getpid()}
            )
            note.write_text(text)
        if not wait(pause, notes, run):
            err += "sbatch: not submitted, because the run was ended while Slurm took no more\n"
            break
        pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
    with contextlib.suppress(OSError):
        note.unlink()
    numbers = re.findall(rb"^(?:Submitted batch job )?(\d+)\b", out, re.MULTILINE)
    if code == 0 and numbers:
        # What squeue no longer lists is looked for by this; see look.py.
        with contextlib.suppress(OSError), (notes / SUBMITTED).open("ab") as file:
            file.write(numbers[-1] + b"\n")
    sys.stdout.buffer.write(out)
    sys.stdout.flush()
    sys.stderr.buffer.write(err.encode(errors="surrogateescape"))
    return code


def main() -> int:
    """Submit what the command line names."""
    folder, sbatch, *arguments = sys.argv[1:]
    # Slurm hands this environment on to the job, which is to find Slurm's own sbatch.
    path = os.environ.get("PATH", "").split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join(place for place in path if place != folder)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    return submit(Path(folder), sbatch, arguments)


if __name__ == "__main__":
    sys.exit(main())
