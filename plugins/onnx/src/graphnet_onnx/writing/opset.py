"""The versions of the files that are written."""

#: The version of ONNX's operators, and the oldest version of its files that has metadata of nodes.
OPSET, IR_VERSION = 21, 10
