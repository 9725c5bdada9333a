"""The options of the analysis, where its rooms look for them."""

from socm.formats.analysis_options import AnalysisOptions

__all__ = ["AnalysisOptions"]
