"""Rules: what certificates have to be, beside not expired. Pure.

`requirement` says what a rule's demand is; each kind has a module. `rule` is the record: a demand, and of whom it is
made. `judging` holds certificates against rules, `clashes` rules against each other.
"""
