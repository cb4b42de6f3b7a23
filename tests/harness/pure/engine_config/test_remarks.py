"""What is remarked of an engine config, and not refused."""

from __future__ import annotations

from pathlib import Path

from harness.engine_config import (
    EngineConfig,
    check_engine_config,
    engine_config_remarks,
    load_engine_config,
)
from tests.harness.pure.engine_config.kit import SOUND, changed, resolve, written


def remarks_of(config: EngineConfig) -> str:
    return "\n".join(engine_config_remarks(config, resolve=resolve))


def test_wide_ep_over_few_ranks_is_remarked(tmp_path: Path) -> None:
    config = load_engine_config(written(tmp_path, SOUND.replace("16", "8")))

    assert "WIDEEP works without all-to-all: 8 ranks" in remarks_of(config)


def test_balancer_that_no_mount_covers_is_remarked_not_refused(tmp_path: Path) -> None:
    config = load_engine_config(written(tmp_path, SOUND.replace("/mnt/", "/elsewhere/")))

    check_engine_config(config, gpus=16, resolve=resolve)
    assert (
        "/elsewhere/engine_configs/deepseek_r1/wide_ep/eplb.yaml is under no mount"
        in remarks_of(config)
    )


def test_batch_that_a_pass_cannot_hold_is_remarked(tmp_path: Path) -> None:
    text = changed(SOUND, "max_batch_size: 256", "max_batch_size: 512")

    assert "max_batch_size 512 is never reached" in remarks_of(
        load_engine_config(written(tmp_path, text))
    )
