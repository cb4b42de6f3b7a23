"""What a guard runs on a node. Python 3.6 and the standard library: nothing can be installed."""
