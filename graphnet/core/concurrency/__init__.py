"""Locks, claims on weights, and the number of BLAS threads."""
