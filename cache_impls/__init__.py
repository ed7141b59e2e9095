"""The caches that Cachegate measures, behind one interface. Imports nothing of `harness`."""
