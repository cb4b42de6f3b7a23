"""The plugins of the suite, and nothing else."""

pytest_plugins = [
    "fixtures.options",
    "fixtures.lifecycle",
    "fixtures.progress",
    "fixtures.run",
    "fixtures.plan",
    "fixtures.deployments",
    "fixtures.preflight",
    "fixtures.scaling",
    "fixtures.disruption",
    "fixtures.cycles",
    "fixtures.serving",
    "fixtures.second_opinion",
    "fixtures.outcome",
    "fixtures.journal",
    "fixtures.evidence",
    "fixtures.secrecy",
]
