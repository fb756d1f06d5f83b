"""Gradio's theme: its variables point at ours; `assets/styles/colours.css` is the one place of colours."""

from __future__ import annotations

import gradio as gr

FONT = ("var(--wc-font)",)
MONO = ("var(--wc-mono)",)


def create_theme() -> gr.themes.Base:
    """A theme without web fonts whose colours are all references to `--wc-*`."""
    colours = {
        "body_background_fill": "var(--wc-bg)",
        "body_text_color": "var(--wc-text)",
        "body_text_color_subdued": "var(--wc-muted)",
        "background_fill_primary": "var(--wc-bg)",
        "background_fill_secondary": "var(--wc-surface)",
        "border_color_primary": "var(--wc-border)",
        "border_color_accent": "var(--wc-accent)",
        "color_accent_soft": "var(--wc-surface)",
        "link_text_color": "var(--wc-accent)",
        "block_background_fill": "transparent",
        "block_border_color": "transparent",
        "block_label_background_fill": "transparent",
        "block_label_text_color": "var(--wc-muted)",
        "block_title_text_color": "var(--wc-text)",
        "block_info_text_color": "var(--wc-muted)",
        "panel_background_fill": "transparent",
        "input_background_fill": "var(--wc-bg)",
        "input_background_fill_focus": "var(--wc-bg)",
        "input_border_color": "var(--wc-border)",
        "input_border_color_focus": "var(--wc-accent)",
        "input_placeholder_color": "var(--wc-muted)",
        "button_primary_background_fill": "var(--wc-accent)",
        "button_primary_background_fill_hover": "var(--wc-accent)",
        "button_primary_text_color": "var(--wc-accent-text)",
        "button_secondary_background_fill": "var(--wc-surface)",
        "button_secondary_background_fill_hover": "var(--wc-border)",
        "button_secondary_text_color": "var(--wc-text)",
        "error_background_fill": "var(--wc-bg)",
        "error_border_color": "var(--wc-danger)",
        "error_text_color": "var(--wc-danger)",
    }
    dark = {f"{name}_dark": value for name, value in colours.items()}
    return gr.themes.Base(font=FONT, font_mono=MONO).set(
        **colours,
        **dark,
        color_accent="var(--wc-accent)",
        block_border_width="0px",
        block_shadow="none",
        block_padding="0px",
        block_radius="0px",
        input_border_width="1px",
        input_radius="var(--wc-radius)",
        input_shadow="none",
        input_shadow_focus="0 0 0 2px color-mix(in srgb, var(--wc-accent) 30%, transparent)",
        button_border_width="0px",
        button_large_radius="var(--wc-radius)",
        layout_gap="0px",
        shadow_drop="none",
    )
