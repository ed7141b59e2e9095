"""How a cache is driven: workload, requests, driver, the trial child and the order of trials.

`child`, `driver`, `loop`, `stream` and `values` run inside the trial's process and import no more than
they need: no NumPy, no pydantic. The rest runs in the parent.
"""
