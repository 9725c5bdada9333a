"""Files that two rooms exchange: one frozen model, one reader and one writer each."""
