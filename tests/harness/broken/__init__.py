"""Worlds broken on purpose: the suite must fail there, with the right test, class and words."""
