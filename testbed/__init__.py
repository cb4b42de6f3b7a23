"""A real Slurm cluster on one Linux machine, with emulated GPUs."""
