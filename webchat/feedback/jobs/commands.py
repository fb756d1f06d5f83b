"""`webchat` commands as processes of their own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from webchat.settings import Settings

_END_SECONDS = 10.0
_MOST_TOLD = 2_000
_OF_THE_SERVER = ("WEBCHAT_MODEL", "WEBCHAT_ENDPOINT")
"""What the server answers with is not what a command works on."""


class Commands:
    """Starts commands over the data of a server."""

    def __init__(self, settings: Settings) -> None:
        self._env = {name: value for name, value in os.environ.items() if name not in _OF_THE_SERVER}
        self._env |= {
            "WEBCHAT_DATA_DIR": str(settings.data_dir.absolute()),
            "WEBCHAT_CACHE_DIR": str(settings.cache_dir.absolute()),
            "PYTHONUNBUFFERED": "1",
        }
        if settings.database_url is not None:  # not as a flag, which everybody on the machine could read
            self._env["WEBCHAT_DATABASE_URL"] = settings.database_url.get_secret_value()

    async def start(self, arguments: Sequence[str], output: Path) -> asyncio.subprocess.Process:
        """Start a command. output: the file that gets all it prints."""
        with output.open("wb") as file:
            return await asyncio.create_subprocess_exec(
                *self.command(arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=self._env,
                start_new_session=True,
            )

    def command(self, arguments: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", "webchat", *arguments]


async def ended(process: asyncio.subprocess.Process) -> int:
    """The code with which a command ends. If this is cancelled, the command is ended."""
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _END_SECONDS)
        if process.returncode is None:
            process.kill()
            await process.wait()


def last_line(output: Path, of: str = "") -> str:
    """The last line that a command printed and that begins with `of`; empty if there is none yet."""
    try:
        with output.open("rb") as file:
            file.seek(max(0, output.stat().st_size - _MOST_TOLD))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip() and line.startswith(of)), "")
