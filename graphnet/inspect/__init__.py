"""Look inside a graph: how it was compiled, where its time goes, its nodes as a table or a drawing."""
