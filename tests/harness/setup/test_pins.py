"""pyproject.toml, constraints.txt and constraints.lock.txt say the same, and why."""

from __future__ import annotations

import ast
import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ci.check_venv import first_fault, pins

ROOT = Path(__file__).resolve().parents[3]
LOCK = (ROOT / "constraints.lock.txt").read_text(encoding="utf-8")
DIRECT = (ROOT / "constraints.txt").read_text(encoding="utf-8")
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(text: str) -> dict[str, str]:
    lines = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", text, re.MULTILINE)
    return {normal(name): version for name, version in lines}


def asked_for() -> set[str]:
    dependencies = PYPROJECT.partition("[tool.")[0]
    listed = re.findall(r'^    "([A-Za-z0-9._-]+)(?:[<>=,.\d]+)?",$', dependencies, re.MULTILINE)
    return {normal(name) for name in listed}


def test_every_dependency_of_the_project_is_pinned() -> None:
    assert asked_for() == set(pinned(DIRECT))


def imported() -> set[str]:
    """Top-level packages that the project imports, its own and the standard library's left out."""
    own = {"benchmarks", "ci", "fixtures", "harness", "reports", "testbed", "tests"}
    found: set[str] = set()
    for folder in own - {"testbed"}:
        for path in (ROOT / folder).rglob("*.py"):
            found |= top_level_imports(ast.parse(path.read_text(encoding="utf-8")))
    return found - own - set(sys.stdlib_module_names)


def top_level_imports(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


def test_what_is_imported_is_asked_for_and_what_is_asked_for_is_used() -> None:
    named_otherwise = {
        "yaml": "pyyaml",
        "_pytest": "pytest",
        "allure": "allure-pytest",
        "allure_commons": "allure-pytest",  # brought along by it
    }
    tools = {"mypy", "pytest-timeout", "pytest-xdist", "ruff", "types-pyyaml", "uv"}
    emulated = {
        "tensorrt-llm"
    }  # the testbed's own package, which its tests import from the checkout
    used = {normal(named_otherwise.get(name, name)) for name in imported()} - emulated

    assert used == asked_for() - tools


def test_the_lock_agrees_with_every_direct_pin() -> None:
    locked = pinned(LOCK)

    assert {name: locked.get(name) for name in pinned(DIRECT)} == pinned(DIRECT)


def test_every_direct_pin_gives_its_reason_on_the_line_above() -> None:
    lines = DIRECT.splitlines()
    bare = [
        line
        for before, line in itertools.pairwise(lines)
        if "==" in line and not line.startswith("#") and not re.match(r"# \w", before)
    ]

    assert bare == []


def test_every_debian_package_gives_its_reason() -> None:
    lines = (ROOT / "ci" / "packages.txt").read_text(encoding="utf-8").splitlines()
    bare = [line for line in lines if line and not re.match(r"#|[a-z0-9.+-]+ +# \w", line)]

    assert bare == []


def test_the_running_environment_is_as_locked() -> None:
    assert first_fault(LOCK, content=False) == ""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("pytest==0.0.1", "pytest is "),
        ("no-such-package==1.0", "no-such-package is not installed (want 1.0)"),
    ],
)
def test_an_environment_that_is_not_as_locked_is_found_out(line: str, expected: str) -> None:
    assert expected in first_fault(line, content=False)


def test_a_pin_for_another_python_is_not_asked_for_here() -> None:
    assert list(pins("tomli==2.0 ; python_full_version < '3.9'")) == []
    assert list(pins("colorama==0.4.6 ; sys_platform == 'win32'")) == []
    assert list(pins("pytest==9.1.1\n    # via x")) == [("pytest", "9.1.1")]


def test_tests_of_one_group_stay_in_one_xdist_process(tmp_path: Path) -> None:
    """A release pair that stops grouping would start one deployment per xdist process."""
    (tmp_path / "test_group.py").write_text(
        "import os, pathlib, pytest\n"
        "@pytest.mark.xdist_group('one')\n"
        "@pytest.mark.parametrize('n', range(8))\n"
        "def test_it(n):\n"
        "    pathlib.Path(f'seen.{os.environ[\"PYTEST_XDIST_WORKER\"]}').touch()\n",
        encoding="utf-8",
    )
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "--rootdir", "."],
        check=True,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        timeout=60,
    )

    assert len(list(tmp_path.glob("seen.*"))) == 1
