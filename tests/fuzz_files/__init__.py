"""Damaged files: whatever a file holds, reading it succeeds or raises an error of graphnet, quickly and in little memory."""
