"""What the nodes hold: the probe that is sent to them, its snapshots, and the comparison of two."""
