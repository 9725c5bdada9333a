"""What is said of a campaign: the verdict, its provenance, its tables, pictures and page."""
