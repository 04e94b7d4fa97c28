"""Completion in shells: a tree of all commands, kept in a file, and a script for each shell that asks it."""
