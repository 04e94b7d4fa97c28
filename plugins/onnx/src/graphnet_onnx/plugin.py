"""The hooks of this distribution, which graphnet finds through its entry point."""
