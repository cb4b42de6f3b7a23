"""What outlives pytest: a guard on every node ends what a run left, whatever ended its pytest."""
