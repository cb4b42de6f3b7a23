"""Promises that more than one kind of deployment makes: said once here, claimed where they hold.

A class here is not collected by itself. A test file derives from it and marks the topologies, for
which its tests are then repeated.
"""
