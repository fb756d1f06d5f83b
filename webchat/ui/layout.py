"""The page's layout, in small functions; its behaviour is in the modules of `assets`."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr
from gradio.i18n import I18nData

LABELS = frozenset(
    {
        "composer.placeholder",
        "composer.label",
        "composer.send",
        "composer.stop",
        "drawer.system_prompt",
        "drawer.system_prompt_hint",
        "drawer.reset",
        "drawer.stop",
        "drawer.stop_hint",
        "drawer.stop_empty",
        "sampling.default",
        *(
            f"sampling.{name}{suffix}"
            for name in (
                "temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens", "seed"
            )
            for suffix in ("", ".hint")
        ),
    }
)  # fmt: skip
"""Every key the components here use; Gradio's tables hold these and no others."""

MAX_SYSTEM_PROMPT = 20_000


@dataclass(frozen=True, slots=True)
class SamplingControl:
    """One number of the drawer: its field of `Sampling`, its bounds and its step."""

    name: str
    minimum: float
    maximum: float
    step: float


SAMPLING = (
    SamplingControl("temperature", 0, 2, 0.1),
    SamplingControl("top_p", 0, 1, 0.05),
    SamplingControl("top_k", 1, 1000, 1),
    SamplingControl("min_p", 0, 1, 0.01),
    SamplingControl("repetition_penalty", 0.1, 10, 0.05),
    SamplingControl("max_tokens", 1, 1_000_000, 1),
    SamplingControl("seed", 0, 2**53 - 1, 1),
)


def create_layout(max_message_chars: int) -> None:
    """The whole page, inside a `gr.Blocks` context.

    Plain columns rather than `gr.Sidebar`: they remember being closed, take no focus while they are, and do
    not slide in at every load. No component has a listener: the modules have theirs, and Gradio would compile
    its own in the browser.
    """
    with gr.Column(elem_id="wc-app"):
        create_part("top")
        with gr.Column(elem_id="wc-sidebar", min_width=0):
            create_part("sidebar")
        with gr.Column(elem_id="wc-main", min_width=0):
            create_topbar()
            create_part("transcript", scale=1)
            create_composer(max_message_chars)
        create_drawer()


def create_part(name: str, *, scale: int = 0) -> None:
    """A part of our own: an empty element filled by the page's modules.

    Not `gr.HTML`, whose script Gradio compiles in the browser.
    """
    gr.Column(elem_id=f"wc-{name}-part", elem_classes=["wc-part"], scale=scale, min_width=0)


def create_topbar() -> None:
    """Model picker, and the menus beside it."""
    with gr.Row(elem_id="wc-topbar"):
        for name in ("topbar-start", "picker", "topbar-end"):
            create_part(name)


def create_composer(max_message_chars: int) -> None:
    """The message box.

    It accepts more than a message may have: the module reports text that is too long instead of cutting it.
    """
    with gr.Column(elem_id="wc-composer", scale=0, min_width=0):
        with gr.Row(elem_id="wc-composer-box"):
            gr.Textbox(
                label=label("composer.label"),
                placeholder=label("composer.placeholder"),
                show_label=False,
                container=False,
                lines=1,
                max_lines=12,
                max_length=2 * max_message_chars,
                min_width=0,
                elem_id="wc-composer-text",
            )
            for name in ("send", "stop"):
                gr.Button(label(f"composer.{name}"), variant="primary", min_width=0, elem_id=f"wc-{name}")
        create_part("composer")


def create_drawer() -> None:
    """Settings of the conversation; an empty control leaves the choice to the model."""
    with gr.Column(elem_id="wc-drawer", min_width=0):
        create_part("drawer")
        gr.Textbox(
            label=label("drawer.system_prompt"),
            placeholder=label("drawer.system_prompt_hint"),
            lines=4,
            max_lines=12,
            max_length=MAX_SYSTEM_PROMPT,
            scale=0,
            min_width=0,
            elem_id="wc-system-prompt",
        )
        for control in SAMPLING:
            create_number(control)
        gr.Textbox(
            label=label("drawer.stop"),
            info=label("drawer.stop_hint"),
            placeholder=label("drawer.stop_empty"),
            lines=1,
            max_lines=4,
            max_length=400,
            scale=0,
            min_width=0,
            elem_id="wc-sampling-stop",
            elem_classes=["wc-sampling"],
        )
        gr.Button(label("drawer.reset"), min_width=0, elem_id="wc-drawer-reset")


def create_number(control: SamplingControl) -> None:
    """One sampling parameter; the module shows it only for models that take it."""
    gr.Number(
        value=None,
        label=label(f"sampling.{control.name}"),
        info=label(f"sampling.{control.name}.hint"),
        placeholder=label("sampling.default"),
        minimum=control.minimum,
        maximum=control.maximum,
        step=control.step,
        scale=0,
        min_width=0,
        elem_id=f"wc-sampling-{control.name}",
        elem_classes=["wc-sampling"],
    )


def label(key: str) -> I18nData:
    """A label of `LABELS`, translated in the browser.

    Raises KeyError for a key that Gradio's tables would not hold.
    """
    if key not in LABELS:
        raise KeyError(key)
    return I18nData(key)
