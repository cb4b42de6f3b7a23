"""Faults that are provoked on a running testbed, by name, and taken away again.

``library/`` has one small file a fault; ``table.py`` finds them all; ``command.py`` is
``python -m testbed fault``. docs/add-a-fault.md says how one is written.
"""
