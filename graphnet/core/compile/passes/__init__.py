"""The compiler's passes, one a file; each returns its result and a note about what it changed."""
