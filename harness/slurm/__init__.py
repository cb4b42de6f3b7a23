"""Slurm as the suite uses it: an allocation, steps started with srun, and what Slurm says of them."""
