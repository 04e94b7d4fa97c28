"""Plants numbers that are not finite in random trainings, and checks that the error names where: make plants N=200."""
