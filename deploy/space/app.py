"""The Space's entry: every setting comes from its variables and secrets."""

import sys

from webchat.__main__ import main

if __name__ == "__main__":
    sys.exit(main([]))
