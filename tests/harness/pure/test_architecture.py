"""Who may import whom, and who may start programs: read from the sources."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter

import pytest

from harness.guard.step import MODULES
from harness.nodes.inspection import PROBE_MODULES
from harness.settings import PROJECT_ROOT

SUITE = ("harness", "fixtures", "tests/promises", "tests/agg", "tests/disagg", "tests/serving")

LAYERS = (
    ("harness.slurm", "harness.topology", "harness.engine_config"),
    ("harness.nodes", "harness.guard"),
    ("harness.diagnosis",),
    ("harness.watching", "harness.serving"),
    ("harness.dynamo",),
    (
        "harness.preflight",
        "harness.facts",
        "harness.planning",
        "harness.disruptions",
        "harness.cycles",
        "harness.explaining",
    ),
    ("harness.fitness",),
    ("harness.run", "harness.attached", "harness.rejudge"),
    ("harness.qualification",),
    ("harness.cli",),
    ("harness.__main__",),
    ("fixtures",),
    ("tests.promises",),
    ("tests.agg", "tests.disagg", "tests.serving", "conftest"),
)
"""From the lowest up; below them lie the basics, which are all other modules of ``harness``."""

SLURM_PROGRAMS = {
    "sacct", "sacctmgr", "salloc", "sbatch", "sbcast", "scancel", "scontrol", "sinfo", "squeue",
    "srun", "sstat",
}  # fmt: skip

PROCESS_STARTERS = {
    "system", "popen", "fork", "forkpty", "execv", "execve", "execvp", "execvpe", "posix_spawn",
    "spawnv", "spawnvp",
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """One Python file by its path from the project's root, as text."""

    path: str
    text: str

    @property
    def module(self) -> str:
        """The file's name as a module."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def tree(self) -> ast.Module:
        """The file's syntax."""
        return _parsed(self.text)

    @property
    def imports(self) -> set[str]:
        """Names of imported modules, wherever in the file; ``from a import b`` gives a and a.b."""
        return set(_imports(self.tree))

    @property
    def strings(self) -> set[str]:
        """All whole strings of the file, docstrings too."""
        constants = (node.value for node in ast.walk(self.tree) if isinstance(node, ast.Constant))
        return {value for value in constants if isinstance(value, str)}


@cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


@cache
def sources(*folders: str) -> tuple[Source, ...]:
    """Return the Python files under folders of the project, and its conftest."""
    found = [PROJECT_ROOT / "conftest.py"] if "fixtures" in folders else []
    for folder in folders:
        found += sorted((PROJECT_ROOT / folder).rglob("*.py"))
    return tuple(
        Source(path.relative_to(PROJECT_ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for path in found
    )


def within(name: str, *packages: str) -> bool:
    """Whether a module is one of the packages or lies in one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def layer(module: str) -> int | None:
    """Return the layer of a module of the suite, 0 for the basics; ``None`` for other modules."""
    for number, packages in enumerate(LAYERS, start=1):
        if within(module, *packages):
            return number
    return 0 if within(module, "harness") else None


def upward(source: Source) -> list[str]:
    """Return the imports of a module of the suite that do not lead down, or within its package."""
    own = layer(source.module)
    package = next((p for group in LAYERS for p in group if within(source.module, p)), "harness")
    wrong = []
    for name in sorted(source.imports - {"harness"}):
        other = layer(name)
        if own is None or other is None or other < own:
            continue
        if other > own or not within(name, package):
            wrong.append(name)
    return wrong


def importers(sources: tuple[Source, ...], *packages: str) -> set[str]:
    return {each.path for each in sources if any(within(name, *packages) for name in each.imports)}


def calls(source: Source) -> Iterator[ast.Call]:
    return (node for node in ast.walk(source.tree) if isinstance(node, ast.Call))


def uses_a_shell(source: Source) -> bool:
    """Whether a call says ``shell=`` with anything but a plain ``False``."""
    words = (word for call in calls(source) for word in call.keywords if word.arg == "shell")
    return any(ast.unparse(word.value) != "False" for word in words)


def os_calls(source: Source) -> set[str]:
    """Return the names called on ``os``."""
    named = (call.func for call in calls(source) if isinstance(call.func, ast.Attribute))
    return {func.attr for func in named if ast.unparse(func.value) == "os"}


def test_imports_lead_down_the_layers() -> None:
    wrong = {each.path: upward(each) for each in sources(*SUITE)}

    assert {path: names for path, names in wrong.items() if names} == {}


def test_no_module_imports_itself_through_others() -> None:
    known = {source.module: source for source in sources("harness", "fixtures")}
    graph = {
        name: {each for each in source.imports & set(known) if each != name}
        for name, source in known.items()
    }

    assert list(TopologicalSorter(graph).static_order())


def test_only_one_module_imports_allure() -> None:
    allure = ("allure", "allure_commons", "allure_pytest")

    assert importers(sources(*SUITE), *allure) == {"fixtures/evidence.py"}


def test_only_one_module_imports_httpx() -> None:
    assert importers(sources(*SUITE), "httpx", "httpx_sse") == {"harness/http.py"}


def test_promises_are_judged_by_the_fixture_alone() -> None:
    """What a bare judge says is not kept, so that it could not be said again of an old run."""
    promises = sources("tests/promises", "tests/agg", "tests/disagg", "tests/serving")

    assert importers(promises, "harness.serving.judges") == set()


def test_the_harness_knows_no_test_runner_and_no_report() -> None:
    packages = ("pytest", "_pytest", "xdist", "allure", "allure_commons", "fixtures", "tests")

    assert importers(sources("harness"), *packages) == set()


def test_the_renderer_knows_of_the_suite_only_how_a_run_is_read() -> None:
    """A report is made from files, of any run, also where neither pytest nor a cluster is."""
    named = {name for each in sources("reports") for name in each.imports}
    of_the_suite = {name for name in named if within(name, "harness", "fixtures", "tests")}
    modules = {name for name in of_the_suite if (PROJECT_ROOT / _file(name)).is_file()}

    assert {name for name in modules if not within(name, "harness.qualification")} == {
        "harness.commit",
        "harness.errors",
        "harness.judge_run",
        "harness.planned",
        "harness.strays",
        "harness.verdict",
        "harness.verdict_file",
    }
    assert not any(within(name, "pytest", "allure", "allure_commons", "testbed") for name in named)


def _file(module: str) -> str:
    return f"{module.replace('.', '/')}.py"


def test_the_suite_does_not_know_the_testbed() -> None:
    assert importers(sources(*SUITE), "testbed") == set()


def test_the_testbed_does_not_know_the_suite() -> None:
    packages = ("harness", "fixtures", "tests", "conftest")

    assert importers(sources("testbed"), *packages) == set()


def test_the_harness_has_no_branch_for_the_testbed() -> None:
    named = {each.path for each in sources("harness", "fixtures") if "testbed" in each.strings}

    assert named == set()


def test_only_the_client_names_slurms_programs() -> None:
    """harness/slurm/srun.py writes the line of a step, and so has the word; it runs nothing."""
    named = {each.path for each in sources(*SUITE) if each.strings & SLURM_PROGRAMS}

    assert named == {"harness/slurm/client.py", "harness/slurm/srun.py"}


def test_programs_are_started_in_two_places() -> None:
    """harness/slurm/step.py has the type of a process, and starts none.

    The probe, the guard and the rehearsal run on nodes, where there is nothing else of ours.
    """
    started = importers(sources(*SUITE), "subprocess", "multiprocessing", "pty")

    assert started == {
        "harness/process.py",
        "harness/slurm/client.py",
        "harness/slurm/step.py",
        "harness/nodes/program/driver.py",
        "harness/guard/program/sampler.py",
        "harness/guard/program/steps.py",
        "harness/dynamo/scripts/rehearse.py",
    }


def test_no_program_is_started_through_a_shell() -> None:
    assert [each.path for each in sources(*SUITE, "testbed") if uses_a_shell(each)] == []


def test_no_program_is_started_past_subprocess() -> None:
    """The probe forks to outlive a hanging driver; it runs on the nodes, alone."""
    starting = {each.path for each in sources(*SUITE) if os_calls(each) & PROCESS_STARTERS}

    assert starting == {"harness/nodes/program/probe.py"}


GUARD_PROGRAM = [f"harness/guard/program/{name}.py" for name in MODULES]
PROBE_PROGRAM = [f"harness/nodes/program/{name}.py" for name in PROBE_MODULES]


def sent_before(path: str) -> set[str]:
    """Return the modules that are there when one of a program that is sent is loaded."""
    program = next((each for each in (GUARD_PROGRAM, PROBE_PROGRAM) if path in each), [path])
    return {each.removesuffix(".py").replace("/", ".") for each in program[: program.index(path)]}


@pytest.mark.parametrize(
    "path",
    [
        "harness/nodes/reach.py",
        *PROBE_PROGRAM,
        *GUARD_PROGRAM,
        "harness/dynamo/scripts/wait_for_service.py",
        "harness/dynamo/scripts/rehearse.py",
    ],
)
def test_what_runs_on_foreign_pythons_needs_the_standard_library_alone(path: str) -> None:
    text = (PROJECT_ROOT / path).read_text(encoding="utf-8")
    foreign = {
        name
        for name in Source(path, text).imports
        if name.partition(".")[0] not in sys.stdlib_module_names
        and not within(name, *sent_before(path))
    }

    assert foreign == set()
    ast.parse(text, feature_version=(3, 6))


@pytest.mark.parametrize(
    ("path", "text", "wrong"),
    [
        ("harness/logs.py", "from harness.slurm.client import Slurm", "harness.slurm.client"),
        ("harness/logs.py", "def f():\n    import harness.run", "harness.run"),
        ("harness/slurm/x.py", "from harness import serving", "harness.serving"),
        ("harness/slurm/x.py", "from harness.topology import place", "harness.topology"),
        (
            "harness/serving/x.py",
            "if TYPE_CHECKING:\n    import harness.dynamo.plan",
            "dynamo.plan",
        ),
        ("harness/dynamo/x.py", "import fixtures.run", "fixtures.run"),
        ("fixtures/x.py", "from tests.agg import test_again", "tests.agg"),
        ("tests/agg/x.py", "from tests.disagg import kit", "tests.disagg"),
    ],
)
def test_a_way_up_is_found_wherever_it_stands(path: str, text: str, wrong: str) -> None:
    found = upward(Source(path, text))

    assert any(name.endswith(wrong) for name in found)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("harness/logs.py", "from harness.errors import InfraError\nimport re"),
        ("harness/slurm/x.py", "from harness.slurm.step import Step\nfrom harness import errors"),
        ("harness/dynamo/x.py", "from harness.serving.record import Record"),
        ("fixtures/x.py", "import pytest\nfrom harness.run import QualificationRun"),
        ("tests/agg/x.py", "from fixtures.serving import Chat"),
    ],
)
def test_the_way_down_is_free(path: str, text: str) -> None:
    assert upward(Source(path, text)) == []


@pytest.mark.parametrize(
    ("text", "shell"),
    [("run(x, shell=True)", True), ("run(x, shell=yes)", True), ("run(x, shell=False)", False)],
)
def test_a_shell_is_found(text: str, shell: bool) -> None:
    assert uses_a_shell(Source("harness/x.py", text)) is shell


def test_every_layer_named_here_exists() -> None:
    expected = {package for group in LAYERS for package in group}
    there = {
        package
        for package in expected
        if (PROJECT_ROOT / f"{package.replace('.', '/')}.py").is_file()
        or (PROJECT_ROOT / package.replace(".", "/")).is_dir()
    }

    assert there == expected
