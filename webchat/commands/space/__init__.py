"""`webchat space`: this app as a Hugging Face Space.

command     the flags, what is asked before anything costs money
  hub       creates the Space, uploads its folder, sets secrets and variables
  folder    writes a Space's folder
    front   its README, the front matter included
    carried the settings, as the Space's own: `webchat.toml`, files, secrets
    kinds   what each kind of Space is made of
    pins    what it installs (pins.json: generated from pyproject.toml and constraints.txt)
"""

from webchat.commands.space.command import add_space_commands

__all__ = ["add_space_commands"]
