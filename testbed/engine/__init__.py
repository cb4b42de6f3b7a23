"""The emulated engine: sources of what the image installs.

Nothing here is imported by the testbed itself; its tests import the parts that are pure.
"""
