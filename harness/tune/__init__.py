"""Settings of one cache against each other: the grid, the course of a race, what came of it. Measures nothing."""
