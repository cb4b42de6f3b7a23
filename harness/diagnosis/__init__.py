"""What broke first: facts with time and source, and the cause that they add up to.

``facts`` says what a fact is, ``signatures`` what known words mean, ``log_facts`` reads a log,
``step_facts`` a step, ``slurm_facts`` the job and its nodes; ``cause`` chooses, and is pure.
"""
