"""Checking: conformance rules, the checkers of histories, and what runs them."""
