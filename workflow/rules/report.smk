"""report"""


rule report:
    input:
        [],
