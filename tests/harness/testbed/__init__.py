"""The testbed's own promises."""
