"""From maps to PTEs: comparisons, spectra, statistics, the family of tests."""
