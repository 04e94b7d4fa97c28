"""Native code for graphnet's programs, compiled by LLVM."""

from graphnet_native.backend import NativeBackend

__all__ = ["NativeBackend"]
