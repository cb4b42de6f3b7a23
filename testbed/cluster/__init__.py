"""The local Slurm cluster: namespaces, daemons, allocations, status. Standard library only."""
