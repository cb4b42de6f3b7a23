"""The same nodes take the same deployment a second time.

What the first left behind would break the second.
"""

from __future__ import annotations

import pytest

from fixtures.serving import Chat
from harness.dynamo.deployment import Deployment
from harness.dynamo.shutdown import Shutdown
from harness.serving.judgement import Judging


@pytest.mark.lifecycle("again")
class AgainPromises:
    """What holds of the second deployment on the same nodes."""

    def test_second_deployment_on_the_same_nodes_loads_every_rank(
        self, deployment: Deployment
    ) -> None:
        """All ranks load again where the first has been (seed: CUDA OOM after leftovers)."""
        missing = {worker.name: worker.progress.missing for worker in deployment.workers}

        assert missing == {worker.name: [] for worker in deployment.workers}

    def test_second_deployment_serves(self, chat: Chat, judge: Judging) -> None:
        """The second deployment streams a whole answer."""
        record = chat("Once more, please.", max_tokens=16, stream=True)

        assert not judge.stream(record)

    def test_second_deployment_leaves_nothing_either(self, shutdown: Shutdown) -> None:
        """The second shutdown is as orderly as the first, and leaves as little."""
        reports = (*shutdown.workers, shutdown.services)

        assert [str(report) for report in reports if not report.orderly] == []
        shutdown.check_nothing_left()
