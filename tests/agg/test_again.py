"""The same nodes take the same deployment a second time.

What the first left behind would break the second.
"""

import pytest

from fixtures.serving import Chat
from harness.dynamo.shutdown import Shutdown
from harness.dynamo.worker import Worker
from harness.serving.judges import judge_stream

pytestmark = [pytest.mark.agg, pytest.mark.topology("agg"), pytest.mark.lifecycle("again")]


def test_second_deployment_on_the_same_nodes_loads_every_rank(worker: Worker) -> None:
    """All ranks load again where the first deployment has been (seed: CUDA OOM after leftovers)."""
    assert worker.progress.missing == []


def test_second_deployment_serves(chat: Chat) -> None:
    """The second deployment streams a whole answer."""
    assert not judge_stream(chat("Once more, please.", max_tokens=16, stream=True))


def test_second_deployment_leaves_nothing_either(shutdown: Shutdown) -> None:
    """The second shutdown is as orderly as the first, and leaves as little."""
    reports = (*shutdown.workers, shutdown.services)

    assert [str(report) for report in reports if not report.orderly] == []
    shutdown.check_nothing_left()
