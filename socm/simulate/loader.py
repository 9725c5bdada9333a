"""How sotodlib reads simulated time streams: this module registers the loader that their context names.

sotodlib's own loader of TOAST files leaves `signal` away where it isn't asked for; its loader of real data
sets it to None, as make-depth1-map (sotodlib 0.6.24) takes for granted. Nor does it make the room for flags
and for the parameters of the readout's filter that preprocessing looks for.
"""

from __future__ import annotations

from typing import Any

from sotodlib.core import AxisManager, FlagManager
from sotodlib.core.context import OBSLOADER_REGISTRY
from sotodlib.io.load_toast_h5 import load_toast_h5_obs

NAME = "socm-simulation"


def load_observation(db: Any, obs_id: str, no_signal: bool | None = None, **options: Any) -> Any:
    """Return an observation; its `signal` is None where it isn't asked for."""
    observation = load_toast_h5_obs(db, obs_id, no_signal=no_signal, **options)
    if no_signal and "signal" not in observation:
        observation.wrap("signal", None)
    return observation


def load_raw_observation(db: Any, obs_id: str, **options: Any) -> Any:
    """Return an observation that is still to be preprocessed."""
    observation = load_observation(db, obs_id, **options)
    observation.wrap("flags", FlagManager.for_tod(observation))
    observation.wrap("iir_params", AxisManager())
    return observation


OBSLOADER_REGISTRY[NAME] = load_observation
OBSLOADER_REGISTRY[f"{NAME}-raw"] = load_raw_observation
