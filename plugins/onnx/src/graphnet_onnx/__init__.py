"""ONNX files for graphnet: export of models, import, and the interface of ONNX backends."""

__all__: list[str] = []
