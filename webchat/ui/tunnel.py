"""A public address through Gradio's tunnel."""

from __future__ import annotations

from webchat.settings import BadSettings


def share_address(port: int) -> str:
    """The public address of what listens on `port` of this machine. Raises BadSettings when there is none."""
    from gradio import networking

    try:
        return networking.setup_tunnel("127.0.0.1", port, "", None, None)
    except Exception as error:  # its own errors are bare; whatever it is, people need the same two words
        raise BadSettings(
            f"The share link could not be created ({error}). It needs internet access and Gradio's tunnel"
            " program; without them, use --host and a link."
        ) from None
