"""What is decided from the files of runs."""
