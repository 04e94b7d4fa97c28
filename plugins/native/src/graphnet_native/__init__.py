"""Native code for graphnet's programs, compiled by LLVM."""

from graphnet_native.native_backend import NativeBackend

__all__ = ["NativeBackend"]
