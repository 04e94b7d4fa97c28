"""From a user's arrays and files to batches; the data sets that ship with graphnet."""
