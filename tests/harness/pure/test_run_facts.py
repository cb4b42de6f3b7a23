"""What exactly was tested: from Slurm's words and from the image's name or file."""

from __future__ import annotations

import os
from pathlib import Path

from harness.facts import UNKNOWN, image_digest
from harness.slurm.words import parse_config_word, parse_job

CONFIG = "ClusterName             = alps\nSLURM_VERSION           = 22.05.8\nEpilog = (null)\n"


def test_a_value_of_slurms_configuration_is_found_by_its_whole_name() -> None:
    assert parse_config_word(CONFIG, "SLURM_VERSION") == "22.05.8"
    assert parse_config_word(CONFIG, "ClusterName") == "alps"
    assert parse_config_word(CONFIG, "Name") == ""


def test_the_partition_is_the_jobs() -> None:
    job = parse_job("JobId=7 JobName=x Partition=gb200 JobState=RUNNING Reason=None")

    assert job is not None
    assert job.partition == "gb200"


def test_a_registrys_image_has_its_digest_in_its_name() -> None:
    assert image_digest("nvcr.io#nvidia/ai-dynamo@sha256:0123") == "sha256:0123"


def test_an_image_file_is_told_apart_by_size_and_time(tmp_path: Path) -> None:
    image = tmp_path / "i.sqsh"
    image.write_bytes(b"12345")
    os.utime(image, (0, 0))

    assert image_digest(str(image)) == "none known; 5 bytes, written 1970-01-01 00:00:00 UTC"


def test_an_image_that_is_not_here_is_unknown() -> None:
    assert image_digest("/nowhere/i.sqsh") == UNKNOWN
