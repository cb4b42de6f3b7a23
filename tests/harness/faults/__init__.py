"""The fault library, held against the suite: each fault must be told by class, cause and place."""
