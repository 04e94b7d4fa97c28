"""What docs/determinism.md says about equal results, each cell of its table."""
