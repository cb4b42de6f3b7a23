"""The report of a run: Allure's results in, one HTML file that opens offline out.

``python -m reports runs/<id>`` renders its ``report.html`` from the files of the run directory
alone, so a past run can be rendered again. The suite does not need this package; a run without a
report keeps its results, its JUnit file and its verdict.
"""
