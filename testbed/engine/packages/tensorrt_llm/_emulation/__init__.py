"""What stands behind the public names of this package: the emulation itself.

Rank processes import only from here, and only modules that are light: a worker of 32 ranks starts
on two cores, each rank in its own Python process.
"""
