"""A real Slurm cluster on this machine: Debian's daemons, started and stopped by process id.

Four virtual nodes of 8 CPUs and 16 GB run on one host, with accounting on a private MariaDB. Snakemake's
executor drops SLURM_CONF from its jobs, so the configuration has to stand in its default place: what was
there is put back at the end.

Processes are tracked by their group: without cgroups the other way is by parent, and there a Snakemake
whose batch script was cancelled has lost its parent and outlives its job.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = (
    "munged",
    "mariadbd",
    "mariadb-install-db",
    "slurmdbd",
    "slurmctld",
    "slurmd",
    "sbatch",
    "srun",
    "sacctmgr",
)
SYSTEM_CONFIG = Path("/etc/slurm/slurm.conf")
LOCK_FILE = Path("/var/lock/socm-slurm-tests.lock")
MARK = "# Written by the tests of socm; daemons in "
MARK_VARIABLE = "SOCM_SLURM_TESTS"
"""Environment variable of whatever the tests start: clients, Snakemakes, and the processes of jobs."""
NODES = ("n1", "n2", "n3", "n4")
SMT_NODE = "n5"
"""A node whose cores have two hardware threads, in a partition of its own."""
CPUS_PER_NODE = 8
MEM_MB_PER_NODE = 16000
ACCOUNT = "simonsobs"
QOS = {
    "test": ("00:10:00", 2, 16),
    "short": ("02:00:00", 24, 32),
    "long": ("2-00:00:00", 4, 16),
}
"""QoS of the cluster: longest walltime, most running jobs and most CPUs of a user."""


def missing_parts() -> str | None:
    """Return why no cluster can be started here, or None."""
    if os.geteuid() != 0:
        return "a Slurm cluster is started by root only"
    sbin = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    absent = [program for program in PROGRAMS if shutil.which(program, path=sbin) is None]
    if absent:
        return f"Slurm is not installed: {', '.join(absent)}"
    try:
        address = socket.gethostbyname(short_hostname())
    except OSError:
        return f"the host's own name, {short_hostname()}, does not resolve"
    return (
        None if address.startswith("127.") else f"{short_hostname()} resolves to {address}, not to loopback"
    )


def short_hostname() -> str:
    """Return the host's name up to its first dot, as Slurm takes it."""
    return socket.gethostname().partition(".")[0]


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until `condition` holds; raise TimeoutError that names `what` otherwise."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} after {seconds:.0f} s")
        time.sleep(0.1)


@dataclass
class SlurmCluster:
    """A cluster in `folder`; `with SlurmCluster(folder):` starts and stops it."""

    folder: Path
    nodes: tuple[str, ...] = NODES
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _cleanup: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __post_init__(self) -> None:
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "SBATCH_"))}
        folders = (str(Path(sys.executable).parent), self.environment["PATH"], "/usr/sbin", "/sbin")
        self.environment["PATH"] = os.pathsep.join(folders)
        self.environment[MARK_VARIABLE] = str(self.folder)

    @property
    def all_nodes(self) -> tuple[str, ...]:
        """Every node, that with hardware threads too."""
        return (*self.nodes, SMT_NODE)

    def __enter__(self) -> SlurmCluster:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start every daemon and wait until all nodes are idle."""
        self._cleanup.enter_context(the_only_cluster())
        stop_leftovers()
        self.folder.chmod(0o755)
        for name in ("log", "run", "mysql", "ctld", *(f"spool/{node}" for node in self.all_nodes)):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.ports = dict(
            zip(
                ("mysql", "slurmdbd", "slurmctld", *self.all_nodes),
                free_ports(3 + len(self.all_nodes)),
                strict=True,
            )
        )
        self._cleanup.enter_context(system_config(self._slurm_conf()))
        self._start_munge()
        self._start_database()
        self._start_accounting()
        self.start_controller()
        for node in self.all_nodes:
            self.start_node(node)
        wait_until(lambda: self.idle_nodes() == set(self.all_nodes), 180, "nodes are not idle")

    def stop(self) -> None:
        """Cancel what runs, stop every daemon, put the system's configuration back and look what is left.

        Raises AssertionError that names each process of a job or of a test that was still there; it is
        ended first.
        """
        if self.running("slurmctld"):
            self.run("scancel", "--user=root", check=False)
            with contextlib.suppress(TimeoutError):
                wait_until(lambda: not self.queue(), 15, "jobs still run")
        daemons = {process.pid for process in self.daemons.values()}
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: marked_processes().keys() <= daemons, 10, "processes are left")
        left = {pid: words for pid, words in marked_processes().items() if pid not in daemons}
        for name in reversed(list(self.daemons)):
            self.stop_daemon(name)
        end_marked_processes()
        self._cleanup.close()
        if left:
            raise AssertionError(f"still alive when the cluster was stopped:\n{told(left)}")

    def running(self, name: str) -> bool:
        """Return whether a daemon was started and still runs."""
        return name in self.daemons and self.daemons[name].poll() is None

    def stop_daemon(self, name: str, by: signal.Signals = signal.SIGTERM) -> None:
        """Stop one daemon and wait for its end."""
        process = self.daemons[name]
        if process.poll() is None:
            process.send_signal(by)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        (self.folder / "run" / f"{name}.daemon").unlink(missing_ok=True)

    def start_controller(self) -> None:
        """Start slurmctld and wait until it answers."""
        self._start_daemon("slurmctld", "slurmctld", "-D", "-i")
        wait_until(self.controller_answers, 30, "slurmctld is silent")

    def controller_answers(self) -> bool:
        """Return whether slurmctld answers."""
        return self.run("scontrol", "ping", check=False).returncode == 0

    def start_accounts(self) -> None:
        """Start slurmdbd and wait until it answers."""
        # It looks for its own file beside the slurm.conf that SLURM_CONF names.
        config = {"SLURM_CONF": str(self.folder / "slurm.conf")}
        self._start_daemon("slurmdbd", "slurmdbd", "-D", environment=config)
        wait_until(lambda: can_connect(self.ports["slurmdbd"]), 60, "slurmdbd is silent")

    def start_node(self, node: str) -> None:
        """Start the slurmd of one node."""
        # Named, it is found where a test takes the file away from its default place.
        config = {"SLURM_CONF": str(self.folder / "slurm.conf")}
        self._start_daemon(node, "slurmd", "-D", "-N", node, environment=config)

    def run(
        self, *command: str, check: bool = True, timeout: float = 60, **options: object
    ) -> subprocess.CompletedProcess[str]:
        """Run a client command, such as squeue, and return what it said."""
        done = subprocess.run(
            command,
            check=False,
            timeout=timeout,
            env=self.environment,
            capture_output=True,
            text=True,
            **options,  # type: ignore[call-overload]
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def queue(self, *options: str) -> list[str]:
        """Return the lines of squeue: job id, state, name."""
        lines = self.run("squeue", "--noheader", "--format=%i %T %j", *options, check=False).stdout
        return lines.splitlines()

    def idle_nodes(self) -> set[str]:
        """Return the names of the nodes that wait for work."""
        said = self.run("sinfo", "--noheader", "--Node", "--format=%N %T", check=False).stdout
        return {line.split()[0] for line in said.splitlines() if line.endswith(" idle")}

    def cancel_all(self) -> None:
        """Cancel every job and wait until the queue is empty and none of their processes is left."""
        self.run("scancel", "--user=root", check=False)
        wait_until(lambda: not self.queue(), 30, "jobs still run")
        try:
            wait_until(lambda: not self.job_processes(), 10, "processes of jobs that have ended are alive")
        except TimeoutError as error:
            raise AssertionError(f"{error}:\n{told(self.job_processes())}") from None

    def job_processes(self) -> dict[int, str]:
        """Return the processes inside jobs: number to command line."""
        return marked_processes("SLURM_JOB_ID")

    def tail(self, name: str, lines: int = 20) -> str:
        """Return the last lines of a daemon's log."""
        path = self.folder / "log" / f"{name}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    def _start_daemon(self, name: str, *command: str, environment: Mapping[str, str] | None = None) -> None:
        with (self.folder / "log" / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                env={**self.environment, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self.folder,
            )
        self.daemons[name] = process
        (self.folder / "run" / f"{name}.daemon").write_text(f"{process.pid} {command[0]}\n")

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        self._start_daemon(
            "munged",
            "munged",
            "--foreground",
            "--force",
            f"--key-file={key}",
            f"--socket={self.folder / 'run' / 'munge'}",
            f"--pid-file={self.folder / 'run' / 'munged.pid'}",
            f"--seed-file={self.folder / 'run' / 'munged.seed'}",
            f"--log-file={self.folder / 'log' / 'munge.log'}",
        )
        wait_until((self.folder / "run" / "munge").exists, 20, "munged has no socket")

    def _start_database(self) -> None:
        data = self.folder / "mysql"
        self.run(
            "mariadb-install-db",
            "--no-defaults",
            "--user=root",
            f"--datadir={data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
        )
        self._start_daemon(
            "mariadbd",
            "mariadbd",
            "--no-defaults",
            "--user=root",
            f"--datadir={data}",
            f"--socket={self.folder / 'run' / 'mysql'}",
            f"--pid-file={self.folder / 'run' / 'mysql.pid'}",
            f"--port={self.ports['mysql']}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--innodb-lock-wait-timeout=900",
            "--innodb-flush-log-at-trx-commit=0",
        )
        wait_until(lambda: can_connect(self.ports["mysql"]), 60, "MariaDB is silent")
        self.run(
            "mariadb",
            "--no-defaults",
            "--user=root",
            f"--socket={self.folder / 'run' / 'mysql'}",
            "--execute=CREATE DATABASE slurm_acct_db; CREATE USER 'slurm'@'127.0.0.1' IDENTIFIED BY 'slurm';"
            " GRANT ALL ON slurm_acct_db.* TO 'slurm'@'127.0.0.1';",
        )

    def _start_accounting(self) -> None:
        config = self.folder / "slurmdbd.conf"
        config.touch(mode=0o600)
        config.write_text(
            f"""\
AuthType=auth/munge
AuthInfo=socket={self.folder / "run" / "munge"}
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={self.ports["slurmdbd"]}
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={self.ports["mysql"]}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
PidFile={self.folder / "run" / "slurmdbd.pid"}
LogFile={self.folder / "log" / "dbd.log"}
"""
        )
        self.start_accounts()
        self._sacctmgr("add", "cluster", "socmtest")
        self._sacctmgr("add", "account", ACCOUNT, "description=tests", "organization=tests")
        for name, (max_wall, max_jobs, max_cpus) in QOS.items():
            self._sacctmgr(
                "add",
                "qos",
                name,
                f"MaxWall={max_wall}",
                f"MaxJobsPU={max_jobs}",
                f"MaxTRESPU=cpu={max_cpus}",
            )
        names = ",".join(("normal", *QOS))
        self._sacctmgr("add", "user", "root", f"account={ACCOUNT}", f"qos={names}", "defaultqos=normal")
        self._sacctmgr("modify", "user", "root", "set", f"defaultaccount={ACCOUNT}")

    def _sacctmgr(self, *arguments: str) -> None:
        self.run("sacctmgr", "--immediate", *arguments)

    def _cpus_of(self, node: str) -> str:
        if node == SMT_NODE:
            return f"CPUs={2 * CPUS_PER_NODE} Sockets=1 CoresPerSocket={CPUS_PER_NODE} ThreadsPerCore=2"
        return f"CPUs={CPUS_PER_NODE}"

    def _slurm_conf(self) -> str:
        host = short_hostname()
        node_lines = "\n".join(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={self.ports[node]}"
            f" {self._cpus_of(node)} RealMemory={MEM_MB_PER_NODE}"
            f" Feature={'big' if node == 'n4' else 'small'} State=UNKNOWN"
            for node in self.all_nodes
        )
        text = f"""\
{MARK}{self.folder}
ClusterName=socmtest
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={self.ports["slurmctld"]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={self.folder / "run" / "munge"}
CredType=cred/munge
StateSaveLocation={self.folder / "ctld"}
SlurmdSpoolDir={self.folder / "spool" / "%n"}
SlurmctldPidFile={self.folder / "run" / "slurmctld.pid"}
SlurmdPidFile={self.folder / "run" / "slurmd-%n.pid"}
SlurmctldLogFile={self.folder / "log" / "ctld.log"}
SlurmdLogFile={self.folder / "log" / "slurmd-%n.log"}
SlurmctldTimeout=30
SlurmdTimeout=30
ReturnToService=2
SwitchType=switch/none
MpiDefault=pmi2
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
KillWait=5
MinJobAge=600
SchedulerType=sched/backfill
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=batch_sched_delay=0,bf_interval=3,sched_interval=5
EnforcePartLimits=ALL
DefMemPerCPU=500
MailProg=/bin/true
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={self.ports["slurmdbd"]}
AccountingStoragePass={self.folder / "run" / "munge"}
AccountingStorageEnforce=associations,limits,qos
{node_lines}
PartitionName=main Nodes={",".join(self.nodes)} Default=YES MaxTime=2-00:00:00 DefaultTime=00:10:00 State=UP
PartitionName=debug Nodes={self.nodes[0]} MaxTime=00:10:00 State=UP
PartitionName=tight Nodes={self.nodes[0]} MaxTime=UNLIMITED MaxMemPerCPU=1000 State=UP
PartitionName=smt Nodes={SMT_NODE} MaxTime=2-00:00:00 State=UP
"""
        (self.folder / "slurm.conf").write_text(text)
        return text


def can_connect(port: int) -> bool:
    """Return whether somebody listens on a loopback port."""
    with socket.socket() as one:
        one.settimeout(1)
        return one.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def the_only_cluster(wait_seconds: float = 1500) -> Iterator[None]:
    """Keep other test runs on this machine waiting: there is one default configuration file."""
    LOCK_FILE.touch()
    with LOCK_FILE.open("r+") as lock:

        def taken() -> bool:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        wait_until(taken, wait_seconds, "another test run still has its Slurm cluster")
        yield


@contextlib.contextmanager
def system_config(text: str) -> Iterator[None]:
    """Put `text` where Slurm looks for its configuration; afterwards put back what was there."""
    before = SYSTEM_CONFIG.read_bytes() if SYSTEM_CONFIG.exists() else None
    SYSTEM_CONFIG.parent.mkdir(exist_ok=True)
    SYSTEM_CONFIG.write_text(text)
    try:
        yield
    finally:
        if before is None:
            SYSTEM_CONFIG.unlink()
        else:
            SYSTEM_CONFIG.write_bytes(before)


def stop_leftovers() -> None:
    """End what a test run that was killed left: daemons, Snakemakes, jobs, and its configuration."""
    end_marked_processes()
    if not SYSTEM_CONFIG.exists():
        return
    first_line = SYSTEM_CONFIG.read_text(errors="replace").partition("\n")[0]
    if not first_line.startswith(MARK):
        return
    for record in sorted(Path(first_line.removeprefix(MARK), "run").glob("*.daemon")):
        pid, program = record.read_text().split()
        if is_process(int(pid), program):
            os.kill(int(pid), signal.SIGKILL)
    SYSTEM_CONFIG.unlink()


def marked_processes(*variables: str) -> dict[int, str]:
    """Return what the tests of any run started and is alive: number to command line.

    Only processes whose environment holds each of `variables` too. Slurm's own stepd are not among
    them: they write their titles where the environment was, and end when their tasks do.
    """
    wanted = tuple(f"{name}=".encode() for name in (MARK_VARIABLE, *variables))
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            entries = (folder / "environ").read_bytes().split(b"\0")
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:
            continue
        if all(any(entry.startswith(name) for entry in entries) for name in wanted):
            found[int(folder.name)] = os.fsdecode(words).strip()
    found.pop(os.getpid(), None)
    return found


def end_marked_processes(*variables: str) -> None:
    """End what the tests of any run started: whatever has each of `variables` too."""
    for pid in marked_processes(*variables):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def told(processes: Mapping[int, str]) -> str:
    """Return a line for each process."""
    return "\n".join(f"{pid}  {words[:300]}" for pid, words in sorted(processes.items()))


def is_process(pid: int, program: str) -> bool:
    """Return whether `pid` is alive and runs `program`."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return Path(os.fsdecode(words[0])).name == program


def run_in(cluster: SlurmCluster, folder: Path, command: Sequence[str], timeout: float = 300) -> str:
    """Run a program in `folder` with the cluster's environment and return all it said."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=cluster.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=True,
    )
    return done.stdout
