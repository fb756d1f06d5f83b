"""A Space's README: the front matter that the host reads, and what people read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from backends._plurals import counted
from webchat.commands.space.carried import Carried, variable_of
from webchat.commands.space.kinds import Kind
from webchat.commands.space.pins import gradio_version
from webchat.settings import Settings


def readme(kind: Kind, settings: Settings, found: Carried, title: str) -> str:
    """The whole README.md."""
    front = "\n".join(_front(kind, settings, found, title))
    parts = (
        f"---\n{front}\n---",
        f"# {title}",
        "A chat over your own model.",
        _data(kind, settings, found),
        _people(settings),
        _changing(kind, settings, found),
    )
    return "\n\n".join(parts) + "\n"


def _front(kind: Kind, settings: Settings, found: Carried, title: str) -> Iterator[str]:
    yield f"title: {json.dumps(title, ensure_ascii=False)}"
    yield "emoji: 💬"
    yield "colorFrom: gray"
    yield "colorTo: blue"
    yield "sdk: gradio"
    yield f"sdk_version: {gradio_version()}"
    yield f'python_version: "{kind.python}"'
    yield "app_file: app.py"
    yield f"suggested_hardware: {kind.hardware}"
    if kind.startup:
        yield f"startup_duration_timeout: {kind.startup}"
    if "huggingface" in settings.sign_in:
        yield "hf_oauth: true"
        rules = (*settings.allowed_people, *settings.operator_people)
        if any("@" in rule for rule in rules):
            yield "hf_oauth_scopes:\n- email"
    if models := list(_hub_models(settings, found)):
        yield "models:\n" + "\n".join(f"- {model}" for model in models)
    yield "header: mini"
    yield "pinned: false"
    yield "license: apache-2.0"
    yield "short_description: A chat over your own model"


def _hub_models(settings: Settings, found: Carried) -> Iterable[str]:
    named = [(found.values.get("model"), settings.endpoint)]
    named += [(table.get("model"), table.get("endpoint")) for table in found.models]
    for model, endpoint in named:
        if model and not endpoint and not model.endswith(".gguf"):
            yield model


def _data(kind: Kind, settings: Settings, found: Carried) -> str:
    """Who gets what people write, and how long it is kept."""
    hosts = [
        urlsplit(url).hostname for url in (settings.endpoint, *(m.endpoint for m in settings.models)) if url
    ]
    if hosts:
        masked = " Personal data that is found in them is replaced by placeholders." * (
            settings.masking != "off"
        )
        names = ", ".join(dict.fromkeys(map(str, hosts)))
        where = f"Messages are sent to {names}, whose own terms apply.{masked}"
    else:
        able = "openai" in kind.runs
        elsewhere = ", unless its variables name an endpoint; then they are sent there" if able else ""
        where = f"Messages are answered by the model in this Space{elsewhere}."
    if "DATABASE_URL" in found.secrets:
        kept = "Conversations are kept in the database that the secret `DATABASE_URL` names."
    elif place := found.values.get("snapshots"):
        kept = (
            f"Conversations are copied to `{place}` every {counted(settings.snapshots_every, 'minute')}, and"
            " this Space begins with the newest copy when it restarts. What was written since may be lost."
        )
    else:
        kept = (
            "**Nothing is kept after a restart.** Conversations are on this Space's own disk, which is erased"
            " whenever it restarts, sleeps or is rebuilt. Export what you want to keep."
        )
    return (
        f"## Your data\n\n- {where}\n- {kept}\n"
        "- The owner of this Space can read every conversation and rating.\n"
        "- A deleted conversation is removed for good"
        f" {_later(settings.trash_days)}, or at once from *Recently deleted*.\n"
        "- No analytics, and nothing is loaded from other servers."
    )


def _people(settings: Settings) -> str:
    if settings.accounts:
        who = f"People sign in ({', '.join(settings.accounts)}) and see only their own conversations."
    elif "link" in settings.sign_in:
        who = (
            "Only people with a link get in; the first one is in this Space's log. Each sees only their own"
            " conversations."
        )
    else:
        who = (
            "The Space's visibility controls access: a private Space is for you, a public one for everyone. A"
            " cookie identifies each visitor, who sees only their own conversations."
        )
    return (
        f"## Who can see what\n\n{who} Some browsers store no cookies for a page in a frame; in that case"
        " open the Space at its own address, `https://<owner>-<name>.hf.space`."
    )


def _later(days: int) -> str:
    return {0: "within a few hours", 1: "after one day"}.get(days, f"after {days} days")


def _changing(kind: Kind, settings: Settings, found: Carried) -> str:
    told = {variable_of(name): info.description for name, info in Settings.model_fields.items()}
    about = {name: told.get(name) or "The endpoint's key" for name in sorted(found.secrets)}
    rows = {name: ("Secret", text.rstrip(".")) for name, text in about.items()}
    if "endpoint" not in found.values and not found.models and "openai" in kind.runs:
        rows["OPENAI_BASE_URL"] = ("Variable", "An OpenAI-compatible endpoint")
        rows["OPENAI_API_KEY"] = ("Secret", "The endpoint's key")
    elif "endpoint" in found.values and settings.api_key is None:
        rows["OPENAI_API_KEY"] = ("Secret", "The endpoint's key, if it needs one")
    model = "an id of the Hub" if kind.local else "one of the endpoint's (default: all it lists)"
    rows |= {
        "WEBCHAT_MODEL": ("Variable", f"The model: {model}"),
        "WEBCHAT_SYSTEM_PROMPT": ("Variable", "What the model is told before every conversation"),
        "WEBCHAT_SIGN_IN": (
            "Variable",
            "`open` (default), `link`, or `huggingface` with `WEBCHAT_ALLOWED_PEOPLE` and `hf_oauth: true`"
            " above",
        ),
        "WEBCHAT_COOKIE_SECRET": (
            "Secret",
            "Keeps visitors signed in after a restart: 32 random characters or more",
        ),
        "WEBCHAT_SNAPSHOTS": (
            "Variable",
            "Keeps conversations after a restart: the folder of a mounted storage bucket, or"
            " `hf://datasets/OWNER/NAME` (private, with the secret `HF_TOKEN`)",
        ),
        "WEBCHAT_MASKING_SECRET": (
            "Secret",
            "Opens the stored values of masked personal data after a restart: 32 random characters or more",
        ),
        "WEBCHAT_BACKUP_KEY": ("Secret", "Encrypts those copies: at least 16 characters, kept elsewhere too"),
    }
    listed = "\n".join(f"| {kept_as} | `{name}` | {text} |" for name, (kept_as, text) in rows.items())
    return (
        "## Changing it\n\nIn the Space's settings, which win over `webchat.toml`:\n\n"
        f"| Set as | Name | What it does |\n|---|---|---|\n{listed}\n\n"
        "Every other setting works the same way: `WEBCHAT_` and its name."
    )
