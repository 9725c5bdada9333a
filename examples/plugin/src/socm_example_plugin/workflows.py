"""The kind ``map-statistics``: what it takes in a campaign, and what it runs."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from socm.core.fields import CampaignPath
from socm.core.models import Workflow


class MapStatistics(Workflow):
    """Writes the number of pixels, mean and rms of maps, one job a map."""

    kind: ClassVar[str] = "map-statistics"

    executable: str = Field("python", description="Program that a job runs.")
    maps: tuple[CampaignPath, ...] = Field(description="Maps to look at.")
    output_dir: CampaignPath = Field(description="Folder of the results.")
    above: float | None = Field(None, ge=0, description="Leave out pixels whose absolute value is below.")

    def get_jobs(self) -> Mapping[str, Mapping[str, Any]]:
        """Return a job for each map; what stands here comes to the other methods as keywords."""
        return {f"map_{number}": {"path": path} for number, path in enumerate(self.maps, start=1)}

    def get_command(self, **kwargs: Any) -> str:  # noqa: ARG002 -- the same for all jobs
        """Return the command to execute."""
        return f"{shlex.quote(self.executable)} -m socm_example_plugin.statistics"

    def get_arguments(self, **kwargs: Any) -> str:
        """Return command arguments."""
        words = [kwargs["path"], self.result_of(kwargs["path"])]
        words += [] if self.above is None else ["--above", str(self.above)]
        return shlex.join(words)

    def get_inputs(self, **kwargs: Any) -> Mapping[str, str]:
        """Return what a job reads, so that it waits for it and runs again when it changes."""
        return {"map": kwargs["path"]}

    def get_outputs(self, **kwargs: Any) -> Mapping[str, str]:
        """Return what a job makes."""
        return {"statistics": self.result_of(kwargs["path"])}

    def result_of(self, path: str) -> str:
        """Return where the statistics of a map go: each into a folder of its own."""
        return f"{self.output_dir}/map_{self.maps.index(path) + 1}/statistics.json"
