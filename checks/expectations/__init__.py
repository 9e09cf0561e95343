"""Expectations about the network's data: SQL counts per site and measure, great-expectations judges the counts.

What belongs here: what is measured (`measures`), how SQL counts it (`queries`, `counts`), against which threshold
(`limits`), how it is judged (`judging`), in which words (`messages`), and the rows of `quality.expectation` (`suites`).
What does not: rules about single values (`checks.rules`), and when expectations run (`orchestration`).

great-expectations sees one small frame per suite, with a row for each site and measure, so that its cost does not
grow with the number of sites or assessments. Nothing to check is `not_applicable`, never passed or failed.
"""
