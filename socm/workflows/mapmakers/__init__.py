"""Mapmakers: programs that make maps of observations; each is a module of its own."""
