"""What cannot work ends within seconds, with one message that names the thing and the way out."""

import time
from pathlib import Path

import pytest

from harness.settings import PROJECT_ROOT
from tests.harness.broken.world import Ended, World

pytestmark = [pytest.mark.testbed, pytest.mark.slow]

SECONDS = 20.0
CONFIGS = PROJECT_ROOT / "engine_configs" / "deepseek_r1"


def _refused(world: World, *arguments: str, **variables: str) -> Ended:
    began_s = time.monotonic()
    ended = world.run_suite(*arguments, **variables)
    assert ended.ended_s - began_s < SECONDS
    assert ended.verdict["verdict"] == "CONFIG"
    assert "Traceback" not in ended.output
    return ended


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"IMAGE": "/srv/images/none.sqsh"}, "IMAGE=/srv/images/none.sqsh"),
        ({"MOUNTS": "/nowhere:/mnt"}, "/nowhere"),
        ({"MOUNTS": "mnt"}, "`mnt` is not a mount"),
        ({"MODEL_PATH": "nvidia/No-Such-Model"}, "nvidia/No-Such-Model"),
        ({"MODEL_PATH": "/srv/models/none"}, "/srv/models/none"),
        ({"ENGINE_CONFIG": "/mnt/engine_configs/none.yaml"}, "/mnt/engine_configs/none.yaml"),
        ({"NUM_NODES": "2"}, "16"),
        ({"NUM_NODES": "four"}, "NUM_NODES='four'"),
        ({"SITE": "atlantis"}, "atlantis"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_wrong_setting_is_named(world: World, variables: dict[str, str], words: str) -> None:
    """Each wrong setting is named with its value before any node is used."""
    ended = _refused(world, **variables)

    assert words in ended.output
    assert [kind for kind, count in ended.verdict["counts"].items() if count] == ["never_ran"]


def test_misspelt_engine_config_is_refused_by_line(
    world: World, tmp_path_in_checkout: Path
) -> None:
    """The published ``WIFEEP`` is refused with file, line and the right spelling."""
    broken = tmp_path_in_checkout / "wifeep.yaml"
    text = (CONFIGS / "wide_ep" / "wide_ep_agg.yaml").read_text(encoding="utf-8")
    broken.write_text(text.replace("WIDEEP", "WIFEEP"), encoding="utf-8")
    inside = Path("/mnt") / broken.relative_to(PROJECT_ROOT)

    ended = _refused(world, ENGINE_CONFIG=str(inside))

    assert "WIFEEP" in ended.output
    assert "WIDEEP" in ended.output


def test_more_nodes_than_the_allocation_has(world: World) -> None:
    """--nodes 5 in an allocation of 4 says both numbers."""
    ended = _refused(world, "--nodes", "5")

    assert "--nodes 5" in ended.output
    assert "4 nodes" in ended.output


def test_image_that_the_container_runtime_refuses(world: World) -> None:
    """An image that only Pyxis can judge fails the deployment with Pyxis's own words."""
    ended = _refused(world, "-k", "registration", IMAGE="registry.invalid/dynamo:1")

    assert "pyxis:" in ended.output
    assert ended.failed == ["test_deployment_becomes_ready[agg]"]
