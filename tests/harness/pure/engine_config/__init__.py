"""How engine configs are read and checked."""
