"""Tests of the serving contract against servers that run on this machine, without a cluster."""
