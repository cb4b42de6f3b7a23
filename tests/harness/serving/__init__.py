"""Tests of the serving contract, and the servers that they are tried on."""
