"""Writing ONNX files: layers become functions, recorded from their rules; cells become Scans."""
