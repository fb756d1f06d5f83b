# Written by `webchat space build`, which replaces this file.
"""Settings come from webchat.toml, the Space's variables and its secrets."""

import sys

from webchat.__main__ import main

if __name__ == "__main__":
    sys.exit(main([]))
