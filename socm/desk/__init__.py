"""A compiled campaign at hand in Python: what it asks for, how far it is, and what its null tests found."""

from socm.desk.maps import SkyMap
from socm.desk.tests import NullTest, Split
from socm.desk.workspace import Workspace

__all__ = ["NullTest", "SkyMap", "Split", "Workspace"]
