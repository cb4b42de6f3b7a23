"""Dynamo as the suite uses it: launch, readiness, discovery, load progress, shutdown."""
