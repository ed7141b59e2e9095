"""Statistics: pure functions of numbers. Measures nothing, prints nothing, touches no disk."""
