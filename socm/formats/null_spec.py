"""The specification of a null test: which maps a job differences, and how it judges them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from socm.formats.analysis_options import AnalysisOptions
from socm.formats.document import Document, Part

Unit = Literal["K", "mK", "uK", "nK"]


class Split(Part):
    """One map of a test: its files, relative to the workspace or absolute.

    `ivar` is the weight, which may be a `variance`; a map that is `weighted` was multiplied by its inverse
    variance. `unit` is that of files whose headers name none. `asked` counts the observations a map of a
    campaign was asked to hold, which the file `observations` lists; `means` are the mean values of the
    columns that show how balanced the sides are (unix s, mm, deg, hours).
    """

    name: str
    map: Path
    ivar: Path
    hits: Path | None = None
    coverage: Path | None = None
    asked: int | None = None
    observations: Path | None = None
    means: dict[str, float] = Field({})
    weighted: bool = False
    variance: bool = False
    unit: Unit | None = None

    @model_serializer(mode="wrap")
    def _leave_out(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what a campaign's maps never need, so that its specifications stay as they are."""
        values: dict[str, Any] = serialize(self)
        for key in ("weighted", "variance", "unit"):
            if not values[key]:
                del values[key]
        return values


class SplitGroup(Part):
    """Splits on one side of a test; a test of a single group compares its splits with each other."""

    name: str
    splits: tuple[Split, ...] = Field(min_length=1)


class NullSpecification(Document):
    """One null test of a campaign, in one variant of its matrix."""

    noun: ClassVar[str] = "null test's specification"
    remedy: ClassVar[str] = "`socm compile` writes it anew."

    test: str
    variant: str = ""
    seed: int
    min_coverage: float
    groups: tuple[SplitGroup, ...] = Field(min_length=1)
    analysis: AnalysisOptions = Field(AnalysisOptions())

    @property
    def splits(self) -> tuple[Split, ...]:
        """Every split, group by group."""
        return tuple(split for group in self.groups for split in group.splits)

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that a judgement of the test rests on, each once: the mask, and those of each split."""
        found: list[Path] = [] if self.analysis.mask is None else [Path(self.analysis.mask)]
        for split in self.splits:
            files = (split.map, split.ivar, split.coverage, split.observations, split.hits)
            found += [path for path in files if path is not None]
        return tuple(dict.fromkeys(found))
