"""A campaign while it runs and afterwards: one run at a time, status, what is left over."""
