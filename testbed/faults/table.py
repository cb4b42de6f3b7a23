"""All faults of the library, found by their files."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from testbed.cluster.errors import TestbedError
from testbed.faults import library
from testbed.faults.fault import Fault


@cache
def faults() -> dict[str, Fault]:
    """Return every fault by its name, in the order of the names."""
    names = sorted(each.name for each in iter_modules(library.__path__))
    found = [_fault_of(f"{library.__name__}.{name}") for name in names]
    return {fault.name: fault for fault in found}


def fault_named(name: str) -> Fault:
    """Return a fault; raises TestbedError for a name that no file has."""
    if name not in faults():
        raise TestbedError(f"testbed: no fault {name}; `python -m testbed fault list` has them all")
    return faults()[name]


def _fault_of(module: str) -> Fault:
    """Return the FAULT of a file, whose name is the fault's own."""
    fault = import_module(module).FAULT
    if not isinstance(fault, Fault) or fault.name.replace("-", "_") != module.rpartition(".")[2]:
        raise TypeError(f"{module}: expected FAULT with the name of its file")
    return fault
