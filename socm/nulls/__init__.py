"""From null maps to a verdict: half differences, spectra, PTEs, as pure functions and as a job."""
