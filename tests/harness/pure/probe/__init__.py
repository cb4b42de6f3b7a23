"""The node probe, run for real on this machine."""
