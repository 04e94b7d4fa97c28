"""Losses, gradients and weights that are not finite: where that began, and what training does then."""
