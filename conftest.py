"""The plugins of the suite, and nothing else."""

pytest_plugins = [
    "fixtures.options",
    "fixtures.run",
    "fixtures.plan",
    "fixtures.lifecycle",
    "fixtures.deployments",
    "fixtures.scaling",
    "fixtures.serving",
    "fixtures.outcome",
    "fixtures.evidence",
    "fixtures.progress",
]
