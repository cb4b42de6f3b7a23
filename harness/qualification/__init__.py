"""What is decided from the files of runs: gate, matrix, comparison, history, summary."""
