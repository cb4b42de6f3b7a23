"""The serving contract of an aggregated deployment."""

import pytest

from tests.promises.serving.forms import FormPromises
from tests.promises.serving.load import LoadPromises
from tests.promises.serving.options import OptionPromises
from tests.promises.serving.refusals import RefusalPromises
from tests.promises.serving.second_opinions import AiperfPromises, OfficialClientPromises

pytestmark = [pytest.mark.agg, pytest.mark.serving, pytest.mark.topology("agg")]


class TestForms(FormPromises):
    """Claimed for the frontend."""


class TestOptions(OptionPromises):
    """Claimed for the frontend."""


class TestRefusals(RefusalPromises):
    """Claimed for the frontend."""


class TestLoad(LoadPromises):
    """Claimed for the frontend and its workers."""


class TestOfficialClient(OfficialClientPromises):
    """Claimed for the frontend."""


class TestAiperf(AiperfPromises):
    """Claimed for the frontend."""
