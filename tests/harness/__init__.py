"""Tests of the suite itself: pure logic, the testbed's own promises, and broken worlds."""
