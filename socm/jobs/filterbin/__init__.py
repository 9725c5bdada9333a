"""Filter-and-bin maps of single observations: what surrounds make-atomic-filterbin-map, and sums of its maps."""
