"""Null tests of maps by any mapmaker, as the user of `socm judge` wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import ConfigDict, Field, model_validator

from socm.core.fields import CampaignPath
from socm.core.invalid import invalid
from socm.core.models import Section
from socm.core.null_analysis import NullAnalysis
from socm.formats.null_spec import NullSpecification, Split, SplitGroup, Unit

MAP_KEYS, WEIGHT_KEYS = ("map", "wmap"), ("ivar", "weights", "variance")
"""Keys of which a map has exactly one each."""


class MapFiles(Section):
    """A map of a group and its weight, in FITS files, CAR or HEALPix: of T, of Q and U, or of T, Q and U."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [{"oneOf": [{"required": [key]} for key in keys]} for keys in (MAP_KEYS, WEIGHT_KEYS)]
        }
    )

    map: CampaignPath | None = Field(None, description="The map.")
    wmap: CampaignPath | None = Field(
        None,
        description="In place of `map`: the map times its inverse variance, as sotodlib's filter-and-bin.",
    )
    ivar: CampaignPath | None = Field(
        None, description="Inverse variance: one plane, one for each of the map's, or a matrix of them."
    )
    weights: CampaignPath | None = Field(None, description="The same as `ivar`, by sotodlib's name.")
    variance: CampaignPath | None = Field(None, description="In place of `ivar`: variance.")
    hits: CampaignPath | None = Field(None, description="Detector samples in each pixel, for the report.")
    unit: Unit | None = Field(
        None, description="Unit of the map, for files whose headers name none; by default that of [nulls]."
    )

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        if sum(getattr(self, key) is not None for key in MAP_KEYS) != 1:
            raise invalid("map-and-weight", "give a map as either `map` or `wmap`")
        if sum(getattr(self, key) is not None for key in WEIGHT_KEYS) != 1:
            raise invalid(
                "map-and-weight", "give the weight of a map as one of `ivar`, `weights` or `variance`"
            )
        return self

    @property
    def map_path(self) -> str:
        """The map's file."""
        return self.map or self.wmap or ""

    @property
    def weight_path(self) -> str:
        """The weight's file."""
        return self.ivar or self.weights or self.variance or ""


class MapTest(Section):
    """A null test: the maps of each group, whose differences should hold no signal.

    Maps of one place in the lists of two groups are subtracted from each other; a single group of 2, 4, 8 …
    maps is compared within itself.
    """

    groups: dict[str, tuple[MapFiles, ...]] = Field(description="One list of maps for each group.")
    mask: CampaignPath | None = Field(None, description="The `mask` of this test's analysis.")
    analysis: NullAnalysis = Field(
        NullAnalysis(), description="Keys of the analysis that this test has otherwise."
    )


class MapNulls(Section):
    """Null tests of maps that exist, and where what is found of them goes."""

    name: str = Field("", description="Title of the report; by default the file's name.")
    output_dir: CampaignPath = Field(description="Folder of the results: a folder a test, and the report.")
    seed: int = Field(0, ge=0, description="Seed of the noise simulations.")
    unit: Unit | None = Field(None, description="Unit of maps whose headers name none.")
    analysis: NullAnalysis = Field(NullAnalysis(), description="How all tests are judged, as in a campaign.")
    tests: dict[str, MapTest] = Field(description="One table for each test, by a name of your own.")

    def specification(self, name: str) -> NullSpecification:
        """Return the specification of a test; its paths are those of the file, relative to its folder."""
        test = self.tests[name]
        groups = tuple(
            SplitGroup(
                name=group,
                splits=tuple(
                    _split(f"{group}_{number}", files, self.unit) for number, files in enumerate(members, 1)
                ),
            )
            for group, members in test.groups.items()
        )
        seed = self.seed if test.analysis.seed is None else test.analysis.seed
        return NullSpecification(
            test=name, seed=seed, min_coverage=0.0, groups=groups, analysis=test.analysis.options
        )


def _split(name: str, files: MapFiles, unit: Unit | None) -> Split:
    return Split(
        name=name,
        map=Path(files.map_path),
        ivar=Path(files.weight_path),
        hits=None if files.hits is None else Path(files.hits),
        weighted=files.wmap is not None,
        variance=files.variance is not None,
        unit=files.unit or unit,
    )
