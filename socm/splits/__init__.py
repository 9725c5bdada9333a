"""Splits: pure functions from columns of observations to the splits of null tests."""
