"""What a picture's making left in it: traces of format, compression, resampling, window, borders, marks and scanner.

A network can tell classes by such traces where they differ, and needs no lung for it.

In
    The user's files of the cases that are ok, and the 8-bit slices of series and volumes.
Out
    Per shard and per cohort `forensics.tsv`: a row per slice, a column per trace.

Read the modules in this order:

1. `traces` lists every trace with its unit, its meaning and its source. A new trace is one entry there.
2. `stored` reads what the file itself says; `jpeg_tables` the quality of a JPEG.
3. `pixels` finds what a picture shows: frame, body, air, soft tissue and lungs. On it stand the measures `blocks`,
   `resampling`, `noise`, `edges` and `marks`.
4. `measure` goes through the cases of a shard.

What cannot be measured on a picture is empty, and never guessed.
"""
