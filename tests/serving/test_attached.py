"""The serving contract of a server that somebody else started: ``--endpoint``."""

import pytest

from harness.topology_names import ATTACHED
from tests.promises.serving.forms import FormPromises
from tests.promises.serving.load import LoadPromises
from tests.promises.serving.options import OptionPromises
from tests.promises.serving.refusals import RefusalPromises
from tests.promises.serving.second_opinions import AiperfPromises, OfficialClientPromises
from tests.promises.streaming import StreamingPromises

pytestmark = [pytest.mark.serving, pytest.mark.topology(ATTACHED)]


class TestStreaming(StreamingPromises):
    """Claimed for the server."""


class TestForms(FormPromises):
    """Claimed for the server."""


class TestOptions(OptionPromises):
    """Claimed for the server."""


class TestRefusals(RefusalPromises):
    """Claimed for the server."""


class TestLoad(LoadPromises):
    """Claimed for the server."""


class TestOfficialClient(OfficialClientPromises):
    """Claimed for the server."""


class TestAiperf(AiperfPromises):
    """Claimed for the server."""
