"""``python -m graphnet_onnx.conformance``."""

from graphnet_onnx.conformance.command import command

if __name__ == "__main__":
    command(prog_name="python -m graphnet_onnx.conformance")
