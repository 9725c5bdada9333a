"""``python -m socm.jobs coverage TABLE JOB LOG OUTPUT``: the check that follows a map."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from socm.jobs.coverage import coverage_message, read_coverage

TOO_LITTLE = 4


def main(arguments: list[str] | None = None) -> int:
    """Write coverage.json; exit 4 if the map used less than the job's min_coverage."""
    parser = argparse.ArgumentParser(prog="python -m socm.jobs", description=__doc__)
    commands = parser.add_subparsers(required=True)
    coverage = commands.add_parser("coverage", help="check which observations a map really used")
    coverage.add_argument("table", type=Path, help="the workflow's table of jobs")
    coverage.add_argument("job", help="the job's name in it")
    coverage.add_argument("log", type=Path, help="the mapmaker's log")
    coverage.add_argument("output", type=Path, help="coverage.json to write")
    asked = parser.parse_args(arguments)

    row = json.loads(asked.table.read_text(encoding="utf-8"))[asked.job]
    query = Path(row["inputs"]["query"]).read_text(encoding="utf-8")
    observations = list(dict.fromkeys(line.split(":")[0] for line in query.split()))
    with asked.log.open(encoding="utf-8", errors="replace") as log:
        result = read_coverage(observations, log)
    minimum = row["min_coverage"]
    asked.output.write_text(json.dumps(result.as_json(minimum), indent=1) + "\n", encoding="utf-8")
    if result.fraction >= minimum:
        return 0
    message = coverage_message(f"{asked.table.stem} {asked.job}".strip(), result, minimum)
    with asked.log.open("a", encoding="utf-8") as log:
        log.write(f"\n{message}\n")
    # The map and coverage.json are declared outputs: Snakemake takes them away with the failed job.
    sys.stderr.write(f"{message}\n")
    return TOO_LITTLE


if __name__ == "__main__":
    sys.exit(main())
