"""Reports: format what was decided, decide nothing. Scaling to readable units happens only here."""
