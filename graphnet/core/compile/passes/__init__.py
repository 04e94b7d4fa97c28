"""The passes over a traced cell or region, one a file, each from trace to trace."""
