"""The node probe and the comparison against a real NVIDIA GPU; skipped where there is none."""
