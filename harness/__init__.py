"""The library of the suite: Slurm, topology, Dynamo, serving. Imports neither pytest nor allure."""
