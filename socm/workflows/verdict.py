"""The rule that judges all null tests of a campaign together."""

from __future__ import annotations

from collections.abc import Sequence

from socm.core.jobs import JobSpec, RuleSpec
from socm.core.models import Environment
from socm.core.steps import VERDICT
from socm.workflows.judgement import JUDGEMENT_RESOURCES

NAME = "null-tests-verdict"
JUDGED = ("summary", "pte", "spectra")
"""The outputs of null tests that the verdict rests on."""


def verdict_rules(specs: Sequence[RuleSpec]) -> tuple[RuleSpec, ...]:
    """Return the rule that judges all null tests of a campaign together; none if it has none.

    It reads where the tests are from the workspace's manifest, and fails for no verdict: a campaign that
    fails has a report too.
    """
    judged = [job for spec in specs for job in spec.jobs if job.judges]
    if not judged:
        return ()
    return (
        RuleSpec(
            name=NAME,
            workflow=NAME,
            steps=(VERDICT,),
            description="The verdict on all null tests together, and the report of each.",
            jobs=(
                JobSpec(
                    command="verdict.json report.html",
                    inputs={name: tuple(job.outputs[name] for job in judged) for name in JUDGED},
                    outputs={"verdict": "verdict.json", "report": "report.html"},
                    shown={"report": "Null tests"},
                ),
            ),
            resources=JUDGEMENT_RESOURCES,
            environment=Environment(),
        ),
    )
