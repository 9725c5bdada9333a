"""Asks what real maps by the real mapmaker would ask for if that were learnt from others, and how it fits.

    python benchmarks/validate_resources.py measure FOLDER

makes maps of 4 to 48 observations on 1 and 2 ranks, of two sizes, one after the other, and two of them
several times: how far the run times of one map differ is the machine's doing. That takes an hour on two
cores, and goes on where it was stopped.

    python benchmarks/validate_resources.py judge [--records FOLDER]

says how others would have fitted what is learnt from some of them, or of the recorded measurements.

The records in tests/learning/measured_maps.json are those of one such run.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import subprocess
import sys
from pathlib import Path
from statistics import mean, median
from typing import NamedTuple

from socm.formats.job_usage import JobUsage, read_usage
from socm.learning.asking import memory_to_ask_mb, runtime_to_ask_seconds
from socm.learning.model import learn

MEASURED = Path(__file__).parents[1] / "tests/learning/measured_maps.json"
OBSERVATIONS = (4, 8, 16, 32, 48)
RANKS = (1, 2)
AREAS = {"small": 1, "large": 12}
"""Factors by which the sides of the simulated area have more pixels."""
DRAWS = 2
AGAIN = 4
"""How often more each of these maps is made, by observations, ranks and area."""
REPEATED = ((16, 1, "small"), (8, 2, "large"))
DEFAULT_MB, DEFAULT_SECONDS = 4000, 3600
"""What a job asks for that says nothing."""
GROWTH = 1.5
"""By how much more a second try asks for."""
HALVES = 200
FEW = 5

CAMPAIGN = """\
[campaign]
name = "measured"

[campaign.defaults]
context = "data/context.yaml"
preprocess_config = "data/preprocess.yaml"
bands = "f090"
maxiter = 3
tiled = 0
nocal = true
no_sidelobe = true
"""


def measure(folder: Path) -> None:
    """Make the maps in a folder; what was made before stays."""
    from pixell import enmap

    folder.mkdir(parents=True, exist_ok=True)
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    if not (folder / "data").exists():
        options = ("--observations", "48", "--duration", "300", "--sample-rate", "30")
        subprocess.run([sys.executable, "-m", "socm", "simulate", "data", *options], cwd=folder, check=True)
    area = enmap.read_map(str(folder / "data/area.fits"))
    for name, factor in AREAS.items():
        enmap.write_map(str(folder / f"data/{name}.fits"), enmap.upgrade(area, factor))
    ids = observation_ids(folder)
    draw = random.Random(1)
    text = CAMPAIGN
    jobs = [
        (count, ranks, name, number)
        for number in range(DRAWS)
        for count in OBSERVATIONS
        for ranks in RANKS
        for name in AREAS
    ]
    jobs += [(*job, DRAWS + number) for job in REPEATED for number in range(AGAIN)]
    names = []
    for count, ranks, name, number in draw.sample(jobs, len(jobs)):
        job = f"maps-{count}-{ranks}-{name}-{number}"
        names.append(job)
        # The first draw and what repeats it have the same observations.
        chosen = random.Random(f"{count} {ranks} {name} {number if number < DRAWS else 0}")
        (folder / "data" / f"{job}.txt").write_text("\n".join(sorted(chosen.sample(ids, count))) + "\n")
        text += f'\n[campaign.{job}]\nworkflow = "ml-mapmaking"\nquery = "data/{job}.txt"\n'
        text += f'area = "data/{name}.fits"\noutput_dir = "results/{job}"\nresources.ranks = {ranks}\n'
    (folder / "campaign.toml").write_text(text)
    subprocess.run([sys.executable, "-m", "socm", "compile", "campaign.toml"], cwd=folder, check=True)
    for name in names:
        words = ("-m", "snakemake", "--profile", "local", "--cores", "2", "--", name.replace("-", "_"))
        subprocess.run([sys.executable, *words], cwd=folder, check=True)


def observation_ids(folder: Path) -> list[str]:
    """Return the ids of the simulated observations."""
    import sqlite3

    [database] = folder.glob("data/**/*obsdb*")
    with sqlite3.connect(database) as connection:
        return [row[0] for row in connection.execute("SELECT obs_id FROM obs ORDER BY obs_id")]


def recorded(path: Path = MEASURED) -> list[JobUsage]:
    """Return the recorded measurements."""
    rows = json.loads(path.read_text())["records"]
    return [JobUsage.model_validate(row) for row in rows]


def on_own_cores(records: list[JobUsage]) -> list[JobUsage]:
    """Return records whose run times are those of cores that nothing else takes: the CPU time of a rank."""
    return [
        one.model_copy(update={"elapsed_seconds": one.cpu_seconds / one.facts.ranks})
        for one in records
        if one.facts is not None
    ]


def trial(training: list[JobUsage], others: list[JobUsage]) -> dict[str, list[float]]:
    """Return asked over used of each of the others, learnt from the first, and that of the default."""
    learnt = learn(training)
    found: dict[str, list[float]] = {}
    for one in others:
        assert one.facts is not None
        prediction = learnt.predict(one.facts)
        assert prediction.memory_mb is not None
        assert prediction.runtime_seconds is not None
        found.setdefault("memory", []).append(memory_to_ask_mb(prediction.memory_mb) / one.memory_mb)
        found.setdefault("run time", []).append(
            runtime_to_ask_seconds(prediction.runtime_seconds) / one.elapsed_seconds
        )
        found.setdefault("default memory", []).append(DEFAULT_MB / one.memory_mb)
        found.setdefault("default run time", []).append(DEFAULT_SECONDS / one.elapsed_seconds)
    return found


class Fit(NamedTuple):
    """How what was asked for fits what was used, over many jobs."""

    at_first: float
    """Part of the jobs that fit at the first try."""
    at_second: float
    """Part of them that fit at the first or the second, which asks for more."""
    median: float
    """Asked over used, at the first try."""
    in_all: float
    """Asked in all tries until the job fits, over used, the mean: jobs that are tried again cost more."""

    @classmethod
    def of(cls, ratios: list[float]) -> Fit:
        """Return the figures of jobs whose first tries ask for so much of what they use."""
        tries = [max(0, math.ceil(-math.log(ratio) / math.log(GROWTH) - 1e-9)) for ratio in ratios]
        return cls(
            sum(number == 0 for number in tries) / len(tries),
            sum(number <= 1 for number in tries) / len(tries),
            median(ratios),
            mean(r * (GROWTH ** (n + 1) - 1) / (GROWTH - 1) for r, n in zip(ratios, tries, strict=True)),
        )


def figures(records: list[JobUsage], trained_on: int, trials: int = HALVES) -> dict[str, Fit]:
    """Return how memory and run time fit, learnt and by default.

    They are those of all jobs that were not learnt from, over many random choices of those that were.
    """
    draw = random.Random(2)
    ratios: dict[str, list[float]] = {}
    for _ in range(trials):
        mixed = draw.sample(records, len(records))
        for name, values in trial(mixed[:trained_on], mixed[trained_on:]).items():
            ratios.setdefault(name, []).extend(values)
    return {name: Fit.of(values) for name, values in ratios.items()}


def scatter(records: list[JobUsage]) -> dict[str, tuple[int, float, float]]:
    """Return for each map that was made several times how often, and by which factors its times differ.

    The factors are the longest over the shortest elapsed time, and the same of CPU time.
    """
    found = {}
    for count, ranks, name in REPEATED:
        start = f"maps-{count}-{ranks}-{name}-"
        same = [one for one in records if one.rule.startswith(start) and one.rule != f"{start}1"]
        times = [[one.elapsed_seconds for one in same], [one.cpu_seconds for one in same]]
        if len(same) > 1:
            found[start.rstrip("-")] = (len(same), *(max(each) / min(each) for each in times))
    return found


def main() -> None:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("command", choices=["measure", "judge"])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--records", type=Path, help="workspace whose records are judged")
    parser.add_argument("--write", type=Path, help="file to write the records into")
    asked = parser.parse_args()
    if asked.command == "measure":
        measure(asked.folder)
        asked.records = asked.folder
    records = list(read_usage(asked.records)[0]) if asked.records else recorded()
    records = [one for one in records if one.rule.startswith("maps-") and one.exit_code == 0]
    if asked.write:
        rows = [{**one.model_dump(mode="json"), "nodes": ["node"]} for one in records]
        asked.write.write_text("{\n" + '"records": [\n' + ",\n".join(map(json.dumps, rows)) + "\n]\n}\n")
    used = sorted(one.memory_mb for one in records)
    took = sorted(one.elapsed_seconds for one in records)
    print(f"{len(records)} maps: {used[0]:.0f} to {used[-1]:.0f} MB, {took[0]:.1f} to {took[-1]:.1f} s")
    for name, (times, elapsed, cpu) in scatter(records).items():
        print(f"{name}, {times} times: run times differ by a factor {elapsed:.2f}, CPU times by {cpu:.2f}")
    for title, same in (("as measured", records), ("run time by CPU time", on_own_cores(records))):
        for number in (FEW, len(same) // 2):
            print(f"{title}, learnt from {number} of them; of the others, over {HALVES} random choices")
            print(f"  {'':<18} fit at first  by second   asked / used   in all tries")
            for name, (first, second, ratio, in_all) in figures(same, number).items():
                print(f"  {name:<18} {first:12.1%} {second:10.1%} {ratio:14.2f} {in_all:14.2f}")


if __name__ == "__main__":
    main()
