"""Tests of the emulated engine, its GPUs and the image; none of them needs the cluster."""
