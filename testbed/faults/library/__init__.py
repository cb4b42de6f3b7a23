"""One file a fault; ../table.py finds them all."""
