"""The kinds of tests, and the types of tensors that are run by default."""

#: The kinds of tests that onnx installs with itself.
KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator", "light")
#: The types of the tensors of tests that are run by default.
TYPES = ("float", "double", "int64", "bool")
