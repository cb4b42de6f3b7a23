"""A real Slurm cluster on one Linux machine, for qualifying a cluster's software without a cluster."""
