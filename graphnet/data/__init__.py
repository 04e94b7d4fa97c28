"""Data: a user's arrays and files as batches, and the data sets that ship with graphnet."""
