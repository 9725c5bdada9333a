"""What jobs will take, learnt from what jobs took."""

from socm.learning.model import Basis, Learnt, Prediction, Spread, learn

__all__ = ["Basis", "Learnt", "Prediction", "Spread", "learn"]
