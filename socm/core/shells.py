"""What may stand in texts that other programs put into a shell's command line, and how."""

from __future__ import annotations

import re
import shlex
from typing import Annotated

from pydantic import AfterValidator

from socm.core.invalid import invalid

_READ_BY_SHELLS = frozenset("$`\"'\\")
_LONGEST_UNDERWAY_BYTES = 200

# Options of sbatch that take no value, or one after `=` only: the word that follows is no value of theirs.
_FLAG_NAMES = """
    contiguous exclusive get-user-env hold no-kill no-requeue nice overcommit oversubscribe propagate quiet
    reboot requeue spread-job use-min-nodes verbose H k O Q s v
"""
_FLAGS = frozenset(_FLAG_NAMES.split())
# Options that have a key of `resources`, and it.
_OWN_KEYS = {
    "account": "account", "A": "account", "constraint": "constraint", "C": "constraint",
    "cpus-per-task": "threads", "c": "threads", "mem": "memory", "mem-per-cpu": "memory", "nodes": "nodes",
    "N": "nodes", "ntasks": "ranks", "n": "ranks", "partition": "partition", "p": "partition", "qos": "qos",
    "q": "qos", "time": "runtime", "t": "runtime", "gpus": "gpus", "G": "gpus",
}  # fmt: skip
# Options that the executor sets itself, or that would have sbatch do something else than submit the job.
_REFUSED_NAMES = """
    array a chdir D clusters M comment cpus-per-gpu error e export export-file gres help h ignore-pbs input i
    job-name J ntasks-per-gpu output o parsable test-only uid usage version V wait W wrap
"""
_REFUSED = frozenset(_REFUSED_NAMES.split())
_OPTION = re.compile(r"--(?P<long>[a-z][a-z0-9-]*)(?P<value>=.*)?|-(?P<short>[A-Za-z])(?P<attached>.*)")
_MODULE = re.compile(r"[\w.+:@~=/-]+")


def survives_submission(text: str) -> bool:
    r"""Return whether a text arrives unchanged in a job that Snakemake's Slurm executor submits.

    The executor writes the wildcards of a job, its temporary files and the Snakefile's path as Python
    literals, and a shell on the login node and one on the compute node read them as if they were shell
    words (snakemake-interface-executor-plugins, `format_cli_value`; the executor's ``--wrap="…"``). So
    ``$(…)`` and backticks run there, quotes and backslashes change, and what Python writes with an escape
    arrives as that escape. Snakemake then splits the wildcards at commas, and sbatch replaces ``%`` in the
    name of a log.
    """
    return (
        is_plain(text)
        and text == text.strip()
        and not set(",%").intersection(text)
        and len(text.encode("utf-8", "replace")) <= _LONGEST_UNDERWAY_BYTES
    )


def is_plain(text: str) -> bool:
    """Return whether a text in a Python literal is the same text for a shell, once and once more."""
    return text.isprintable() and not _READ_BY_SHELLS.intersection(text)


def slurm_name(text: str) -> str:
    """Return a name that Slurm may know; raises `bad-name` for what is none or could be read otherwise."""
    if not re.search(r"\w", text) or text.startswith("-") or text != text.strip() or not is_plain(text):
        raise invalid(
            "bad-name", f"{text!r} is not a name in Slurm", "no quotes, dollar signs or control characters"
        )
    return text


def account_name(text: str) -> str:
    """Return the name of an account in Slurm; raises `bad-name`: of several, the executor takes the first."""
    if re.search(r"[\s,]", text):
        raise invalid(
            "bad-name", f"{text!r} is not one account in Slurm", "name the one that pays for the jobs"
        )
    return slurm_name(text)


def module_name(text: str) -> str:
    """Return the name of an environment module; raises `bad-name`: Snakemake doesn't quote it."""
    if not _MODULE.fullmatch(text) or text.startswith("-"):
        hint = "letters, digits and . / + : @ ~ = _ -"
        raise invalid("bad-name", f"{text!r} can't name an environment module", hint)
    return text


def is_program_path(text: str) -> bool:
    """Return whether a path may stand in a shell's command line without quotes."""
    return text == shlex.quote(text)


def conda_name(text: str) -> str:
    """Return a conda environment; raises `bad-name` for what Snakemake's shell would change or run."""
    if not is_plain(text) or text.startswith("-"):
        hint = "no quotes, dollar signs or control characters"
        raise invalid("bad-name", f"{text!r} can't name a conda environment", hint)
    return text


def sbatch_options(text: str) -> str:
    """Return further options of sbatch, each word quoted for the shell that the executor gives them to.

    Raises `bad-sbatch-option` for words that are no options or values of one, for a quote that isn't
    closed, and for options that socm or the executor set.
    """
    try:
        words = shlex.split(text)
    except ValueError:
        raise _bad_option(f"a quote in {text!r} isn't closed") from None
    takes_value = False
    for word in words:
        found = _OPTION.fullmatch(word)
        if not is_plain(word):
            raise _bad_option(f"{word!r} holds what a shell would change", "no $, quotes or backslashes")
        if found is None:
            if not takes_value or word.startswith("-"):
                hint = "options and their values only, as in --exclusive --reservation=cmb; no shell commands"
                raise _bad_option(f"{word!r} is not an option of sbatch", hint)
            takes_value = False
            continue
        name = _managed(found["long"]) if found["long"] else found["short"]
        if name in _OWN_KEYS:
            raise _bad_option(f"{word!r} of sbatch has its own key", f"write `{_OWN_KEYS[name]} = …`")
        if name in _REFUSED:
            raise _bad_option(
                f"the sbatch option {word!r} can't be used: socm or Snakemake sets it", "take it out"
            )
        if found["attached"] and name in _FLAGS:
            raise _bad_option(
                f"{word!r} is more than one option of sbatch", "write each as a word of its own"
            )
        takes_value = name not in _FLAGS and found["value"] is None and not found["attached"]
    return shlex.join(words)


def _managed(name: str) -> str:
    """Return the option of socm's or Snakemake's that sbatch may take a name for: it knows beginnings too."""
    if name in _FLAGS:
        return name
    return next((known for known in sorted({*_OWN_KEYS, *_REFUSED}) if known.startswith(name)), name)


def _bad_option(message: str, hint: str | None = None) -> Exception:
    return invalid("bad-sbatch-option", message, hint)


SlurmName = Annotated[str, AfterValidator(slurm_name)]
AccountName = Annotated[str, AfterValidator(account_name)]
ModuleName = Annotated[str, AfterValidator(module_name)]
CondaName = Annotated[str, AfterValidator(conda_name)]
SbatchOptions = Annotated[str, AfterValidator(sbatch_options)]
