"""Other people's caches behind the protocol, one module a library, imported only when a spec names it.

An adapter translates names and units and no more: what a library gets wrong, the checks shall find.
"""
