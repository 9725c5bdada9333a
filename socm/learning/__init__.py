"""What jobs will take, learnt from what jobs took."""

from socm.learning.asking import describe, memory_to_ask_mb, runtime_to_ask_minutes, runtime_to_ask_seconds
from socm.learning.model import Basis, Learnt, Prediction, Spread, learn

__all__ = [
    "Basis",
    "Learnt",
    "Prediction",
    "Spread",
    "describe",
    "learn",
    "memory_to_ask_mb",
    "runtime_to_ask_minutes",
    "runtime_to_ask_seconds",
]
