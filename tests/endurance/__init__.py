"""Long trainings of changing shapes: memory and descriptors stay constant. make endurance N=100000."""
