"""A deterministic event loop in virtual time, the schedules it plays, and how they are shrunk."""
