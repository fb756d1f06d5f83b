"""What is on the page, in small functions; what it does is in `wiring` and in the modules."""

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


@dataclass(frozen=True, slots=True)
class Composer:
    text: gr.Textbox
    send: gr.Button
    stop: gr.Button


@dataclass(frozen=True, slots=True)
class Drawer:
    system_prompt: gr.Textbox
    sampling: tuple[gr.Number, ...]
    stop: gr.Textbox
    reset: gr.Button


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything on the page that a listener may name."""

    sidebar: gr.HTML
    transcript: gr.HTML
    composer: Composer
    drawer: Drawer


def create_layout(version: str, max_message_chars: int) -> Layout:
    """The whole page, inside a `gr.Blocks` context.

    Plain columns rather than `gr.Sidebar`: they remember being closed, take no focus while they are, and do
    not slide in at every load.
    """
    with gr.Column(elem_id="wc-app"):
        create_part("top", version)
        with gr.Column(elem_id="wc-sidebar"):
            sidebar = create_part("sidebar", version)
        with gr.Column(elem_id="wc-main"):
            create_topbar(version)
            transcript = create_part("transcript", version)
            composer = create_composer(version, max_message_chars)
        drawer = create_drawer(version)
    return Layout(sidebar, transcript, composer, drawer)


def create_part(name: str, version: str) -> gr.HTML:
    """A part of our own: an empty element that the page's module of the same name fills."""
    return gr.HTML(
        "",
        elem_id=f"wc-{name}-part",
        elem_classes=["wc-part"],
        apply_default_css=False,
        js_on_load=(
            f"import(new URL('assets/{version}/shell.js', document.baseURI).href)"
            f".then((shell) => shell.mount('{name}', element));"
        ),
    )


def create_topbar(version: str) -> None:
    """Model picker, and the menus beside it."""
    with gr.Row(elem_id="wc-topbar"):
        for name in ("topbar-start", "picker", "topbar-end"):
            create_part(name, version)


def create_composer(version: str, max_message_chars: int) -> Composer:
    """The box one writes in.

    It takes more than a message may have: the module says what is too long instead of cutting it.
    """
    with gr.Column(elem_id="wc-composer"):
        with gr.Row(elem_id="wc-composer-box"):
            text = gr.Textbox(
                label=label("composer.label"),
                placeholder=label("composer.placeholder"),
                show_label=False,
                container=False,
                lines=1,
                max_lines=12,
                max_length=2 * max_message_chars,
                elem_id="wc-composer-text",
            )
            send = gr.Button(label("composer.send"), variant="primary", elem_id="wc-send")
            stop = gr.Button(label("composer.stop"), variant="primary", elem_id="wc-stop")
        create_part("composer", version)
    return Composer(text, send, stop)


def create_drawer(version: str) -> Drawer:
    """Settings of the conversation; an empty control leaves the choice to the model."""
    with gr.Column(elem_id="wc-drawer"):
        create_part("drawer", version)
        system_prompt = gr.Textbox(
            label=label("drawer.system_prompt"),
            placeholder=label("drawer.system_prompt_hint"),
            lines=4,
            max_lines=12,
            max_length=MAX_SYSTEM_PROMPT,
            elem_id="wc-system-prompt",
        )
        numbers = tuple(create_number(control) for control in SAMPLING)
        stop = gr.Textbox(
            label=label("drawer.stop"),
            info=label("drawer.stop_hint"),
            placeholder=label("drawer.stop_empty"),
            lines=1,
            max_lines=4,
            max_length=400,
            elem_id="wc-sampling-stop",
            elem_classes=["wc-sampling"],
        )
        reset = gr.Button(label("drawer.reset"), elem_id="wc-drawer-reset")
    return Drawer(system_prompt, numbers, stop, reset)


def create_number(control: SamplingControl) -> gr.Number:
    """One sampling parameter; the module shows it only for models that take it."""
    return gr.Number(
        value=None,
        label=label(f"sampling.{control.name}"),
        info=label(f"sampling.{control.name}.hint"),
        placeholder=label("sampling.default"),
        minimum=control.minimum,
        maximum=control.maximum,
        step=control.step,
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
