"""The public link of `--share`: Gradio's own tunnel in front of a server that already listens."""

from __future__ import annotations

import secrets


class NoTunnel(Exception):
    """A share link cannot be had; the message says why and what to do instead."""


def open_tunnel(host: str, port: int) -> str:
    """Open a tunnel to a server on this machine; returns its public https address. Blocks for some seconds.

    The tunnel ends with the process. Raises NoTunnel.
    """
    from gradio import networking

    try:
        address = networking.setup_tunnel(
            local_host=host,
            local_port=port,
            share_token=secrets.token_urlsafe(32),
            share_server_address=None,
            share_server_tls_certificate=None,
        )
    except Exception as error:  # Gradio raises bare exceptions of many kinds here
        raise NoTunnel(
            "There is no share link: Gradio's tunnel service cannot be reached, or its helper program cannot"
            f" be fetched ({type(error).__name__}). On a network of your own use --host 0.0.0.0, or put a"
            " proxy in front and name its address with --public-url."
        ) from error
    return str(address).replace("http://", "https://", 1)
