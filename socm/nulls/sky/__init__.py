"""Maps as modes: Fourier modes of a flat piece of sky, spherical harmonics, bins of multipoles."""
