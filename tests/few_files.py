"""`python -m webchat` in a process that may have few files open."""

from __future__ import annotations

from webchat.__main__ import main

FILES = 128

if __name__ == "__main__":
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    main()
