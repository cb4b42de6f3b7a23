"""The probe's program: it is sent to the nodes, and runs on whatever Python they have."""
