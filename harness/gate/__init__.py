"""Deciding: `policy` is the one table of thresholds, `judge` turns pairs into verdicts."""
