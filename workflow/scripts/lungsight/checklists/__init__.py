"""Checklists: what a run says to the items of reporting guidelines, its risk of bias, and the way of its patients.

In: the tables of a finished run, the study file, and the checklists of `workflow/report/checklists`.
Out: `report/checklists.tsv` and `.html`, `report/flow.tsv`, `report/risk.tsv` and `.html`.

Read in this order:

study           the study file: what only a person can know, and what in it looks like an identifier
items           the checklists: items by their published number, and how each is answered
evidence        the tables of a run, read once
facts           sentences that are built from these tables
fill            checklists, facts and study file → rows of checklists.tsv
patient_flow    from the rows of a table to train, validation and test, in cases, patients and slices
diagram         the flow as a picture, and in words
risk            the rules of the risk page, and the judgement of each domain
pages           both pages
"""
