"""Load over the wire: locust users, what they leave, and what it says."""
