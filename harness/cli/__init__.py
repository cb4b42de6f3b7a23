"""The commands of ``python -m harness``, one module each, with ``main(argv) -> exit code``."""
