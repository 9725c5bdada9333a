"""Further options of sbatch that a campaign gives: which it may, and which are socm's or the plugin's."""

from __future__ import annotations

import re
from collections.abc import Sequence

from socm.diagnostics import Diagnostic

# Options that take no value, or one after `=` only: the word that follows is no value of theirs.
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
# Options that the plugin sets itself, or that would have sbatch do something else than submit the job.
_REFUSED_NAMES = """
    array a chdir D clusters M comment cpus-per-gpu error e export export-file gres help h ignore-pbs input i
    job-name J ntasks-per-gpu output o parsable test-only uid usage version V wait W wrap
"""
_REFUSED = frozenset(_REFUSED_NAMES.split())
_OPTION = re.compile(r"--(?P<long>[a-z][a-z0-9-]*)(?P<value>=.*)?|-(?P<short>[A-Za-z])(?P<attached>.*)")


def option_problem(words: Sequence[str]) -> Diagnostic | None:
    """Return what is wrong with the first word that is no option of sbatch, no value of one, or not free."""
    takes_value = False
    for word in words:
        found = _OPTION.fullmatch(word)
        if found is None:
            if not takes_value or word.startswith("-"):
                hint = "options and their values only, as in --exclusive --reservation=cmb; no shell commands"
                return _bad(f"{word!r} is not an option of sbatch", hint)
            takes_value = False
            continue
        name = _managed(found["long"]) if found["long"] else found["short"]
        if name in _OWN_KEYS:
            return _bad(
                f"the sbatch option {word!r} is set by a key of its own", f"write `{_OWN_KEYS[name]} = …`"
            )
        if name in _REFUSED:
            return _bad(f"{word!r} of sbatch can't be used: socm or Snakemake sets it", "take it out")
        if found["attached"] and name in _FLAGS:
            return _bad(f"{word!r} is more than one option of sbatch", "write each as a word of its own")
        takes_value = name not in _FLAGS and found["value"] is None and not found["attached"]
    return None


def _managed(name: str) -> str:
    """Return the option of socm's or the plugin's that a name begins: sbatch needs no more."""
    if name in _FLAGS:
        return name
    return next((known for known in sorted({*_OWN_KEYS, *_REFUSED}) if known.startswith(name)), name)


def _bad(message: str, hint: str) -> Diagnostic:
    return Diagnostic("bad-submit-option", message, hint=hint)
