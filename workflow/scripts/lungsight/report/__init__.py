"""Report: show what a run found, on one page that opens offline, and what intake found, on another.

In: the tables, summaries and pictures of a finished run (`run_description.page_inputs` lists them).
Out: `report/index.html`, and `report/intake.html` of intake alone. No number is computed here: each comes from a table
of the run, or from a function of the package that the number belongs to.

Read in this order:

page            the parts of the page and their sections, in order
sections        one module and one template per section, each with its section's name
results         the run's tables, read once
cautions        what a reader should hold against the numbers
components      cells, tables and statements; headings: columns that several tables have
charts          the style of charts, and the forest plot; pictures: pictures inside the page
templates       which files a page is made of; rendering: a template and its values → HTML
intake_page     the page of intake

`lungsight.wording` writes numbers, counts and names.
"""
