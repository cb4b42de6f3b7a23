"""``python -m testbed fault list|inject NAME|clear``."""

from __future__ import annotations

import argparse
import shlex
import sys

from testbed.cluster.paths import StateFolder
from testbed.cluster.run import require_up
from testbed.faults.active import active, clear, inject, prepare
from testbed.faults.bed import Bed
from testbed.faults.fault import Fault
from testbed.faults.table import fault_named, faults


def add_fault_verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb to the testbed's parser."""
    verb = verbs.add_parser("fault", help="break the testbed in a known way, and mend it")
    actions = verb.add_subparsers(dest="action", required=True, metavar="list|inject|clear")
    actions.add_parser("list", help="all faults: name, layer, moment, sentence").set_defaults(
        act=_list
    )
    one = actions.add_parser("inject", help="provoke a fault in the testbed that is up")
    one.add_argument("name", metavar="NAME")
    one.add_argument(
        "--prepare", action="store_true", help="only what the run needs before the fault"
    )
    one.set_defaults(act=_inject)
    actions.add_parser("clear", help="take everything away that was provoked").set_defaults(
        act=_clear
    )


def _list(_options: argparse.Namespace, state: StateFolder) -> int:
    there = {each.name for each in active(state)}
    width = max(len(name) for name in faults())
    for fault in faults().values():
        mark = "*" if fault.name in there else " "
        print(f"{mark} {fault.name:{width}}  {fault.layer.value:9} {fault.sentence}")
    return 0


def _inject(options: argparse.Namespace, state: StateFolder) -> int:
    fault = fault_named(options.name)
    bed = Bed(state, require_up(state))
    if options.prepare or fault.inject is None:
        prepare(bed, fault)
        print(f"{fault.name}: run {_command(fault)}")
        return 0
    at = inject(bed, fault)
    print(f"{at:.3f} {fault.name}: {fault.sentence}")
    return 0


def _clear(_options: argparse.Namespace, state: StateFolder) -> int:
    failed = clear(Bed(state, require_up(state)))
    for words in failed:
        print(words, file=sys.stderr)
    return 1 if failed else 0


def _command(fault: Fault) -> str:
    """Return the suite's command that shows a fault."""
    run = fault.run
    variables = [f"{name}={value}" for name, value in run.variables.items()]
    suite = ["env", *variables, "pytest", "-m", run.mark, "--nodes", "4", "-k", run.tests]
    return shlex.join(
        ["python", "-m", "testbed", "run", "--nodes", "4", *run.options, "--", *suite]
    )
