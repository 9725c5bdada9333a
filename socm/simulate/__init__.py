"""Simulated observations that the real mapmaker reads, with a sky and systematics that are known.

`socm.simulate.dataset.simulate` and `socm.simulate.survey.simulate_obsdb` do it; they need slow
libraries, so they are not imported here.
"""

from socm.simulate.settings import SimulationSettings, Systematic, SystematicKind

__all__ = ["SimulationSettings", "Systematic", "SystematicKind"]
