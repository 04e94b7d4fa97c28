"""Files that graphnet did not write: read within limits, and every failure becomes a FileError.

Nothing in a file is believed before it is compared with the size of the file: see ``arrays`` and ``tensors``.
"""
