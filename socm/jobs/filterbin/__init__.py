"""Filter-and-bin maps of single observations: what surrounds their program, and sums of its maps."""
