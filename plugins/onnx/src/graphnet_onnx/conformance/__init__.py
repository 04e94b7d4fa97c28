"""ONNX's backend tests, run through :mod:`graphnet_onnx.backend`: ``python -m graphnet_onnx.conformance``.

This module imports nothing, because the plugin registers the command each time that graphnet loads its plugins.
"""
