"""What a job uses, measured where it is true: around each rank, and by the job's own shell as it ends.

It runs as a file, by an interpreter without its site packages: it starts in 15 ms whatever a job's
environment holds, and a measurement that fails fails no job.

    usage.py rank PROGRAM [ARGUMENT...]        runs one rank, and leaves what it used in $SOCM_RANKS
    usage.py end CODE RULES LOG                takes the place of a job's shell, and exits with CODE
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from typing import Any

FORMAT = 1
"""That of socm.formats.job_usage, which reads the record."""
KIB_MB = 1024 / 1e6
RANKS = "SOCM_RANKS"
"""Names the folder that ranks leave their records in."""
SHELL = "SOCM_SHELL"
"""Names the process of the job's shell, and its host."""
PASSED_ON = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGCONT")
MISSING_OUTPUT = 1
"""The exit code on record of a job that ended well without an output: for Snakemake, too, it failed."""
_SET_DEATH_SIGNAL = 1


def main(words: list[str]) -> int:
    """Run one of the commands; return its exit code."""
    if words[0] == "rank":
        return run_rank(words[1:])
    code, environment, log = words[1:]
    try:
        write_record(int(code), environment, log)
    except Exception as error:  # noqa: BLE001 -- whatever it is, the job's own end counts
        print(f"socm: what this job used is not known: {error!r}", file=sys.stderr)
    return int(code)


def run_rank(command: list[str]) -> int:
    """Run a rank's program to its end, leave what it used, and end as it did."""
    folder = os.environ.pop(RANKS, "")
    shell = os.environ.pop(SHELL, "")
    if not folder:
        return _become(command)
    parent, started = os.getpid(), time.monotonic()
    child = os.fork()
    if child == 0:
        import ctypes

        # A launcher that kills this process means the rank.
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        os._exit(_become(command))
    for name in PASSED_ON:
        signal.signal(getattr(signal, name), lambda number, _: os.kill(child, number))
    _, status, used = os.wait4(child, 0)
    record = {
        "host": os.uname().nodename,
        "below_shell": _is_below(shell),
        "seconds": time.monotonic() - started,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "memory_mb": used.ru_maxrss * KIB_MB,
    }
    node = os.environ.get("SLURMD_NODENAME")
    if node:
        record["host"] = node
    try:
        os.makedirs(folder, exist_ok=True)
        _replace(os.path.join(folder, f"{record['host']}.{parent}.json"), record)
    except OSError as error:
        print(f"socm: what this rank used is not known: {error}", file=sys.stderr)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.kill(os.getpid(), number)
    return os.waitstatus_to_exitcode(status)


def write_record(code: int, environment: str, log: str) -> None:
    """Write what the job used that this process was the shell of: its descendants', and its ranks'."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_seconds = used.ru_utime + used.ru_stime
    memory_mb = used.ru_maxrss * KIB_MB
    here = os.environ.get("SLURMD_NODENAME") or os.uname().nodename
    of_nodes = {here: 0.0}
    ranks = _take_ranks(os.environ.get(RANKS, ""))
    for rank in ranks:
        of_nodes[rank["host"]] = of_nodes.get(rank["host"], 0.0) + rank["memory_mb"]
        # Those that the launcher started from here are among the descendants.
        cpu_seconds += 0 if rank["below_shell"] else rank["cpu_seconds"]
    if ranks and not any(rank["host"] == here for rank in ranks):
        del of_nodes[here]
    rule = os.path.basename(environment).removesuffix(".json")
    name = os.path.relpath(log, f"logs/{rule}").removesuffix(".log")
    job, row = _row(f"workflow/jobs/{rule}.json", "" if name.startswith("..") else name)
    if not code and not all(map(os.path.exists, row.get("outputs", {}).values())):
        code = MISSING_OUTPUT
    _replace(
        f"{log.removesuffix('.log')}.usage.json",
        {
            "format": FORMAT,
            "rule": rule,
            "job": job,
            "facts": row.get("facts"),
            "exit_code": code,
            "ended": time.time(),
            "elapsed_seconds": _age_seconds(),
            "cpu_seconds": cpu_seconds,
            "memory_mb": max(memory_mb, sum(of_nodes.values())),
            "node_memory_mb": max(memory_mb, *of_nodes.values()),
            "nodes": sorted(of_nodes),
            "ranks": len(ranks),
            "source": "ranks" if ranks else "shell",
        },
    )


def _become(command: list[str]) -> int:
    """Run a program in the place of this process; return the exit code that a shell gives if it can't."""
    try:
        os.execvp(command[0], command)  # noqa: S606
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return 127 if isinstance(error, FileNotFoundError) else 126


def _take_ranks(folder: str) -> list[dict[str, Any]]:
    """Return the records of ranks, and remove them."""
    if not folder or not os.path.isdir(folder):
        return []
    found = []
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if name.endswith(".json"):
            with open(path) as file:
                found.append(json.load(file))
        os.unlink(path)
    os.rmdir(folder)
    return found


def _row(table: str, job: str) -> tuple[str, dict[str, Any]]:
    """Return a job's name and what its table says of it: a row a line, one row where jobs have no names."""
    start = f"{json.dumps(job, ensure_ascii=False)}: "
    only = None
    try:
        with open(table, encoding="utf-8") as lines:
            for line in lines:
                if line.startswith(start):
                    return job, json.loads(line[len(start) :].rstrip(",\n"))
                if not job and line.startswith('"'):
                    name, end = json.JSONDecoder().raw_decode(line)
                    only = name, json.loads(line[end + 2 :].rstrip(",\n"))
    except (OSError, ValueError):
        pass
    return only or (job, {})


def _age_seconds() -> float:
    """Return for how long this process, whatever program it runs by now, has been."""
    with open("/proc/self/stat") as file:
        ticks = float(file.read().rpartition(")")[2].split()[19])
    with open("/proc/uptime") as file:
        up_seconds = float(file.read().split()[0])
    return max(0.0, up_seconds - ticks / os.sysconf("SC_CLK_TCK"))


def _is_below(shell: str) -> bool:
    """Return whether this process descends from the job's shell, HOST:PID."""
    host, _, wanted = shell.rpartition(":")
    if host != os.uname().nodename:
        return False
    pid = str(os.getppid())
    while pid not in {wanted, "0", "1"}:
        try:
            with open(f"/proc/{pid}/stat") as file:
                pid = file.read().rpartition(")")[2].split()[1]
        except OSError:
            return False
    return pid == wanted


def _replace(path: str, content: dict[str, Any]) -> None:
    partial = f"{path}.{os.getpid()}.partial"
    with open(partial, "w") as file:
        json.dump(content, file)
        file.write("\n")
    os.replace(partial, path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
