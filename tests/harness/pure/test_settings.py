"""Settings: whose word counts, and what is said about a bad one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from harness.errors import SettingsError
from harness.settings import PROJECT_ROOT, LoadedSettings, Settings, load_settings, option_name

Load = Callable[..., LoadedSettings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load with a site file ``here.yaml`` of the given text, if any."""

    def loaded(
        options: Mapping[str, str | None] | None = None,
        environ: Mapping[str, str] | None = None,
        site: str | None = None,
    ) -> LoadedSettings:
        if site is not None:
            (tmp_path / "here.yaml").write_text(site)
        return load_settings(
            options or {}, environ or {}, site="here" if site else None, sites_dir=tmp_path
        )

    return loaded


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("mounts", f"{PROJECT_ROOT}:/mnt"),
        ("model_path", "nvidia/DeepSeek-R1-FP4"),
        ("engine_config", "/mnt/engine_configs/deepseek_r1/wide_ep/wide_ep_agg.yaml"),
        ("num_nodes", 4),
        ("num_gpus_per_node", 4),
        ("dyn_http_port", 8000),
        ("etcd_port", 2379),
        ("nats_port", 4222),
    ],
)
def test_defaults_are_those_of_the_example(load: Load, name: str, default: object) -> None:
    assert getattr(load().settings, name) == default


def test_a_run_without_a_word_has_no_sources(load: Load) -> None:
    assert load() == LoadedSettings(Settings(), {}, "")


@pytest.mark.parametrize(
    ("option", "variable", "site", "value", "source"),
    [
        ("2", "3", "num_nodes: 5\n", 2, "--num-nodes"),
        (None, "3", "num_nodes: 5\n", 3, "environment variable NUM_NODES"),
        (None, "", "num_nodes: 5\n", 5, "here.yaml:1"),
        (None, None, None, 4, None),
    ],
    ids=["command line", "environment", "site", "default"],
)
def test_the_nearer_word_counts(
    load: Load,
    option: str | None,
    variable: str | None,
    site: str | None,
    value: int,
    source: str | None,
) -> None:
    environ = {} if variable is None else {"NUM_NODES": variable}
    loaded = load({"num_nodes": option}, environ, site)

    assert loaded.settings.num_nodes == value
    assert loaded.sources.get("num_nodes", "").endswith(source or "")
    assert ("num_nodes" in loaded.sources) == (source is not None)


def test_an_option_may_empty_what_the_site_sets(load: Load) -> None:
    assert load({"account": ""}, {}, "account: team-a\n").settings.account == ""


def test_the_site_may_be_named_in_the_environment(tmp_path: Path) -> None:
    (tmp_path / "gb200.yaml").write_text("partition: gb200\n")

    loaded = load_settings({}, {"SITE": "gb200"}, sites_dir=tmp_path)
    assert (loaded.site, loaded.settings.partition) == ("gb200", "gb200")


@pytest.mark.parametrize(("served", "name"), [("", "org/model"), ("DSR1", "DSR1")])
def test_clients_use_the_served_name_or_else_the_path(load: Load, served: str, name: str) -> None:
    settings = load({"model_path": "org/model", "served_model_name": served}).settings

    assert settings.model_name == name


@pytest.mark.parametrize(
    ("option", "environ", "where"),
    [
        ("abc", {}, "--num-nodes: NUM_NODES='abc'"),
        (None, {"NUM_NODES": "abc"}, "environment variable NUM_NODES: NUM_NODES='abc'"),
        (None, {"NUM_NODES": "0"}, "environment variable NUM_NODES: NUM_NODES='0'"),
        ("-4", {}, "--num-nodes: NUM_NODES='-4'"),
        ("4.5", {}, "--num-nodes: NUM_NODES='4.5'"),
    ],
)
def test_a_bad_number_is_named_with_its_place(
    load: Load, option: str | None, environ: Mapping[str, str], where: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load({"num_nodes": option}, environ)
    assert where in str(refused.value)


@pytest.mark.parametrize("port", ["0", "65536", "http"])
@pytest.mark.parametrize("name", ["dyn_http_port", "etcd_port", "nats_port"])
def test_a_port_is_a_port(load: Load, name: str, port: str) -> None:
    with pytest.raises(SettingsError, match=name.upper()):
        load({name: port})


@pytest.mark.parametrize("name", ["start_timeout_s", "stop_timeout_s"])
@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "soon"])
def test_a_timeout_is_a_time(load: Load, name: str, seconds: str) -> None:
    with pytest.raises(SettingsError, match=name.upper()):
        load({name: seconds})


def test_a_misspelt_key_of_a_site_is_named_with_file_and_line(load: Load, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        load(site="image: /a.sqsh\nnum_node: 4\n")

    assert f"{tmp_path / 'here.yaml'}:2: unknown key `num_node`" in str(refused.value)
    assert "num_nodes" in str(refused.value)


def test_a_bad_value_inside_a_mapping_is_named_with_its_path(load: Load, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        load(site="environment:\n  HF_HUB_OFFLINE: 1\n")

    assert f"{tmp_path / 'here.yaml'}:1: ENVIRONMENT.HF_HUB_OFFLINE=1" in str(refused.value)


def test_all_that_is_wrong_is_said_at_once(load: Load) -> None:
    with pytest.raises(SettingsError) as refused:
        load({"num_nodes": "x"}, {"ETCD_PORT": "y"}, "imagge: /a.sqsh\n")

    text = str(refused.value)
    assert all(word in text for word in ("--num-nodes", "ETCD_PORT", "imagge"))
    assert "Traceback" not in text


def test_the_variables_of_a_site_reach_the_settings(load: Load) -> None:
    site = 'environment:\n  HF_HUB_OFFLINE: "1"\n'

    assert load(site=site).settings.environment == {"HF_HUB_OFFLINE": "1"}


def test_an_option_is_spelt_with_dashes() -> None:
    assert option_name("num_gpus_per_node") == "--num-gpus-per-node"


@pytest.mark.parametrize(
    ("settings", "budget_s"),
    [
        ({}, 120.0),
        ({"stop_timeout_s": 15}, 15.0),
        ({"environment": {"DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS": "60"}}, 175.0),
    ],
)
def test_the_budget_of_a_stop_follows_the_products_own(
    settings: dict[str, object], budget_s: float
) -> None:
    assert Settings(**settings).stop_budget_s == budget_s
