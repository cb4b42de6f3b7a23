"""The report's first page: the decision, and all that a reader asks before the tests themselves.

In the order in which it is asked: may this be released, what was tested, what changed, whose
problem each failure is, figures, promises by topology. It lies over Allure's page, in one file
with it, and its links lead to the tests there.
"""
