"""A public address through Gradio's tunnel.

Gradio starts a program (frpc) that connects to its share server, which passes on the requests it gets for the
address. Visitors' TLS ends there. `GRADIO_SHARE_SERVER_ADDRESS` names a share server of one's own.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import Popen
from typing import IO, TYPE_CHECKING

from webchat.settings import BadSettings

if TYPE_CHECKING:
    from gradio.tunneling import Tunnel

log = logging.getLogger(__name__)

NOTE = (
    "Shared through Gradio's tunnel: the whole internet can reach this address, for a week at most and until"
    " this server stops. Gradio's share server can read what passes."
)

_INSTEAD = (
    "It needs internet access, and downloads a program from Hugging Face once. Where that can't be had, use"
    " another tunnel or a proxy with --public-url, or --host on your own network: see deploy/access.md."
)


@contextmanager
def shared(host: str, port: int) -> Iterator[str]:
    """The public address of what listens on `host` and `port`, while the block runs. If the tunnel ends
    earlier, that is logged. Raises BadSettings if it cannot be made."""
    from gradio import tunneling

    before = len(tunneling.CURRENT_TUNNELS)
    try:
        address = _address(host, port)
        for tunnel in tunneling.CURRENT_TUNNELS[before:]:
            _watch(tunnel)
        yield address
    finally:
        for tunnel in tunneling.CURRENT_TUNNELS[before:]:
            tunnel.kill()  # type: ignore[no-untyped-call]


def _address(host: str, port: int) -> str:
    from gradio import networking

    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    try:
        # A name of its own: on the share server, tunnels go by their names.
        return networking.setup_tunnel(here, port, secrets.token_urlsafe(32), None, None).rstrip("/")
    except Exception as error:  # its own errors are bare; whatever it is, people need the same advice
        why = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise BadSettings(f"The share link could not be created ({why}). {_INSTEAD}") from None


def _watch(tunnel: Tunnel) -> None:
    """Read what its program writes, which would block once nobody did, and tell when it ends by itself."""
    program = _program(tunnel)
    if program is not None:
        for pipe in (program.stdout, program.stderr):
            threading.Thread(target=_drain, args=(pipe,), daemon=True).start()
        threading.Thread(target=_tell_its_end, args=(tunnel, program), daemon=True).start()


def _drain(pipe: IO[bytes] | None) -> None:
    for line in pipe or ():
        log.debug("tunnel: %s", line.decode("utf-8", "replace").strip())


def _tell_its_end(tunnel: Tunnel, program: Popen[bytes]) -> None:
    program.wait()
    if _program(tunnel) is not None:
        log.warning("the share link has stopped working: its tunnel has ended. Restart for a new one.")


def _program(tunnel: Tunnel) -> Popen[bytes] | None:
    """`None` before its start and after `kill`."""
    program: Popen[bytes] | None = vars(tunnel)["proc"]
    return program
