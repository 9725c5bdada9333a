"""The noise of null maps: measured in their differences, and drawn anew."""
