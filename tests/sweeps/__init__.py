"""Sweeps: what they read, train and keep, and sweeps that are killed."""
