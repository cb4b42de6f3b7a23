"""What the suite costs and what it withstands, measured; each module is a program."""
