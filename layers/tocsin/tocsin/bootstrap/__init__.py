"""The only wiring: everything real is chosen here, once a process, and nothing at import."""

import gc

# A start makes a hundred thousand objects, and all of them stay: to look for garbage among them after each 700 takes
# 7 % of its processor time. Batches do make garbage in cycles, so it is looked for all the same, at each 20,000.
gc.set_threshold(20_000, 20, 20)
