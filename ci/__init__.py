"""What the verbs of the Makefile do: install, qualify, check. Standard library only."""
