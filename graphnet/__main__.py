"""``python -m graphnet``."""

from graphnet.cli import main

if __name__ == "__main__":
    main()
