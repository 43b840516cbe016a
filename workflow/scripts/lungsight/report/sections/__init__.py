"""The sections of the page: for each a module and a template of its name.

A module has one function `section`, which gives the values that the template shows, or None where the run has nothing
to show. `lungsight.report.page.PARTS` lists the sections in the order of the page.
"""
