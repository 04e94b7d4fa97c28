"""Run: passes over a compiled plan, by a backend."""
