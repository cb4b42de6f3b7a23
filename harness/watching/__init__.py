"""Watches a deployment while it lives: steps, logs, services, discovery, Slurm, answers.

``watch`` looks at what has been written, many times a second; each ``pulse`` asks somebody, one
thread each. The first alarm ends all requests under way, and is kept for who asks.
"""
