"""Tests: what deployments promise (agg), and the suite itself (harness)."""
