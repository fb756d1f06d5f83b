"""Gradio's own launch, for what hooks on it."""

from __future__ import annotations

import socket


def launch_once() -> None:
    """Launch an empty page on loopback, and close it. `spaces` 0.51 prepares ZeroGPU in the first call of
    `gr.Blocks.launch`: it packs the model and reports to the scheduler. Our server is another one."""
    import gradio as gr

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with gr.Blocks(analytics_enabled=False) as page:
        pass
    page.launch(
        server_name="127.0.0.1",
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        ssr_mode=False,
        run_history=False,
    )
    page.close(verbose=False)
