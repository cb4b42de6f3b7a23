"""Pure: whether the time that is left of the job is enough for what is planned."""

from __future__ import annotations

from harness.dynamo.plan import Plan


def budget_words(plan: Plan, left_s: float | None) -> str:
    """Return the time left beside what the plan takes at most."""
    longest = max(plan.deployments, key=lambda each: each.budget_s)
    total_s = sum(each.budget_s for each in plan.deployments)
    left = "no end of the job is set" if left_s is None else f"{left_s:.0f} s of the job are left"
    return (
        f"{left}; the first starts and stops take at most {total_s:.0f} s, "
        f"{longest.name} alone {longest.budget_s:.0f} s"
    )


def too_little_time(plan: Plan, left_s: float | None) -> list[str]:
    """Return why the job ends before the longest deployment has had its time; empty if it does not.

    Budgets are limits, and most loads take a fraction of START_TIMEOUT_S: so the sum of all is told
    and not asked for.
    """
    longest_s = max(each.budget_s for each in plan.deployments)
    if left_s is None or left_s >= longest_s:
        return []
    return [budget_words(plan, left_s)]
