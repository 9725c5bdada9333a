"""What a null test's `analysis` table says: how its maps are judged."""

from __future__ import annotations

from pydantic import Field

from socm.core.fields import CampaignPath
from socm.core.models import Resources, Section
from socm.formats.analysis_options import AnalysisOptions


class NullAnalysis(Section, AnalysisOptions):
    """The options of the analysis as a campaign sets them, with the seed, which a job is given apart."""

    mask: CampaignPath | None = Field(None, description=AnalysisOptions.model_fields["mask"].description)
    seed: int | None = Field(
        None, ge=0, description="Seed of the noise simulations; by default the campaign's."
    )

    @property
    def options(self) -> AnalysisOptions:
        """The options alone, as a specification holds them."""
        return AnalysisOptions(**self.model_dump(include=set(AnalysisOptions.model_fields)))


class CampaignNullAnalysis(NullAnalysis):
    """The options of the analysis, its seed, and what the job that judges asks of the cluster."""

    resources: Resources = Field(
        Resources(),
        description="What the job that judges asks of the cluster. Keys that are given replace what "
        "follows from the size of the maps.",
    )
