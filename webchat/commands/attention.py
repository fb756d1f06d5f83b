"""`webchat attention`: a picture of where a model looks while it reads a text."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from backends._plurals import counted
from webchat.commands.terminal import AddCommand, CommandError, known_errors
from webchat.settings import Loaded

if TYPE_CHECKING:
    from backends.local.loading.attending import Attention

MOST_TOKENS = 24
"""More cannot be read in a picture."""


def add_attention_command(add: AddCommand, option: Callable[..., None]) -> None:
    """add: a command; option: adds a flag to one of them."""
    about = "Draw where --model, a folder, looks while it reads a text. Needs the extras local and plot."
    made = add("attention", about, _attention)
    made.add_argument("file", help="the picture: .svg or .png")
    option(made, "--text", required=True, metavar="TEXT", help=f"the text; {MOST_TOKENS} tokens are read")


def _attention(loaded: Loaded, options: argparse.Namespace) -> None:
    from webchat.feedback.extras import ExtraMissing, check_extra

    file = Path(options.file).expanduser()
    if file.suffix not in (".svg", ".png"):
        raise CommandError(f"{file.name} ends neither in .svg nor in .png.")
    if loaded.settings.model is None or not options.text.strip():
        raise CommandError("Give a folder with --model and a text with --text.")
    try:
        check_extra("transformers", "local", "Attention")
        check_extra("matplotlib", "plot", "A picture")
    except ExtraMissing as error:
        raise CommandError(str(error)) from None
    from backends.local.loading.attending import attention_of

    with known_errors():
        found = attention_of(Path(loaded.settings.model).expanduser(), options.text, most=MOST_TOKENS)
        draw(found, file)
    layers, heads = found.weights.shape[:2]
    read, heads_of = counted(len(found.tokens), "token"), counted(heads, "head")
    print(f"{read} in {counted(layers, 'layer')} of {heads_of}, drawn in {file}.")


def draw(attention: Attention, file: Path) -> None:
    """One map for each head; a row is a token that is read, a column a token that is looked at."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    layers, heads, length, _ = attention.weights.shape
    tokens = [_label(token) for token in attention.tokens]
    side = 0.9 + 0.11 * length
    figure = Figure(figsize=(0.6 + side * heads, 0.6 + side * layers), layout="constrained")
    maps = figure.subplots(layers, heads, squeeze=False, sharex=True, sharey=True)
    for layer in range(layers):
        for head in range(heads):
            axes = maps[layer][head]
            axes.imshow(attention.weights[layer, head], cmap="Blues", vmin=0, vmax=1)
            axes.set_title(f"layer {layer + 1}, head {head + 1}", fontsize=7)
            axes.set_yticks(range(length), tokens, fontsize=6)
            axes.set_xticks(range(length), tokens, fontsize=6, rotation=90)
            axes.tick_params(length=0)
    figure.supxlabel("looks at", fontsize=8)
    figure.supylabel("while reading", fontsize=8)
    with rc_context({"svg.fonttype": "none"}):  # letters as letters, not as outlines
        figure.savefig(file, dpi=140)


def _label(token: str) -> str:
    """A token, with what cannot be seen made visible, and without what matplotlib takes for a formula."""
    seen = token.replace("\n", "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}").replace(" ", "\N{MIDDLE DOT}")
    return seen.replace("$", r"\$")
