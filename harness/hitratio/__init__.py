"""What share of a whole workload's reads a cache answers, beside LRU and the optimal, at each capacity.

`workload -> columns in files -> what can hit, and when next -> references; caches, a child each -> rows`. The
files are read a chunk at a time, so a workload may be far longer than memory. `child`, `work` and `columns` run in the
cache's process and import no more than they need. Objects are counted, not bytes, and all of them: no warm-up
is left out, nothing is timed.
"""
