"""Slurm as the suite uses it: an allocation, steps started with srun, what Slurm says of them."""
