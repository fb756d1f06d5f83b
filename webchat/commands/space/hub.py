"""Creates or updates a Space on the Hub: its files, secrets, variables and hardware."""

from __future__ import annotations

import re
import secrets as random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from backends._plurals import counted
from webchat.commands.space.folder import MARK, PACKAGES, files_in, strangers
from webchat.commands.space.kinds import Kind
from webchat.commands.terminal import CommandError, printable

FREE = "cpu-basic"
MADE = ("WEBCHAT_COOKIE_SECRET", "WEBCHAT_MASKING_SECRET")
"""Secrets that a Space is given if it has none."""
BUCKET = "/bucket"
"""Where a storage bucket is mounted."""
SNAPSHOTS = "WEBCHAT_SNAPSHOTS"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a Space is to become. secrets: an empty value has to be set by hand. hardware: `None` for the
    kind's own at its creation, and for what it has later. sleep_after: minutes, `None` as it is. bucket: a
    storage bucket for snapshots, OWNER/NAME."""

    name: str
    kind: Kind
    folder: Path
    secrets: Mapping[str, str]
    variables: Mapping[str, str]
    private: bool
    hardware: str | None
    sleep_after: int | None
    bucket: str | None = None

    @property
    def on(self) -> str:
        """Where a new Space runs."""
        return self.hardware or self.kind.hardware


def check_name(name: str) -> None:
    """Raises `CommandError` for what can't be a Space's name."""
    if not _NAME.fullmatch(name):
        raise CommandError(
            f"{name!r} is not the name of a Space: give OWNER/NAME, made of letters, digits, dots, - and _."
        )


class Hub:
    """token: with the right to write; without one, the one that `hf auth login` stored. Raises `CommandError`
    if there is none, and from everything that the Hub refuses."""

    def __init__(self, token: SecretStr | None) -> None:
        from huggingface_hub import HfApi, get_token

        found = token.get_secret_value() if token is not None else get_token()
        if not found:
            raise CommandError(
                "Uploading needs a Hugging Face token with write access: set HF_TOKEN, or run `hf auth"
                " login`."
            )
        self._api = HfApi(token=found)
        self._new: bool | None = None

    def variable(self, space: str, name: str) -> str | None:
        """The value of a Space's variable; `None` if there is none, or no such Space."""
        with _refusals(space):
            if not self._api.repo_exists(space, repo_type="space"):
                return None
            found = self._api.get_space_variables(space).get(name)
        return None if found is None else found.value

    def told(self, plan: Plan) -> Iterator[str]:
        """What `push` will do and what it costs, one line each."""
        new = self._is_new(plan)
        seen = ("private" if plan.private else "public") if new else "existing"
        yield f"{'Create' if new else 'Update'} the {seen} Space {plan.name}, kind {plan.kind.name}:"
        yield f"  upload {counted(sum(1 for _ in files_in(plan.folder)), 'file')}"
        given = [name for name, value in plan.secrets.items() if value]
        if given:
            yield f"  set the secrets {', '.join(sorted(given))}"
        if made := [name for name in MADE if not plan.secrets.get(name)]:
            yield f"  make the secrets {', '.join(made)} if they are missing"
        if plan.bucket:
            yield f"  mount the bucket {plan.bucket} at {BUCKET} for snapshots; its storage is billed"
        if plan.variables:
            yield f"  set the variables {', '.join(sorted(plan.variables))}"
        if empty := sorted(set(plan.secrets) - set(given)):
            yield f"  to be set by hand: the secrets {', '.join(empty)}"
        if new or plan.hardware:
            yield f"  run on {plan.on}"
            yield f"Cost: {self._cost(plan)}"
        else:
            yield "Cost: as before; the hardware stays as it is."

    def push(self, plan: Plan) -> str:
        """Do it. Returns a sentence with the Space's address."""
        new = self._is_new(plan)
        values = {name: value for name, value in plan.secrets.items() if value}
        with _refusals(plan.name):
            if new:
                values = {name: random.token_urlsafe(32) for name in MADE} | values
                self._api.create_repo(
                    plan.name,
                    repo_type="space",
                    space_sdk="gradio",
                    private=plan.private,
                    space_hardware=plan.on,  # type: ignore[arg-type]  # it takes new names as text
                    space_sleep_time=plan.sleep_after and plan.sleep_after * 60,
                    space_secrets=[{"key": name, "value": value} for name, value in values.items()],
                    space_variables=[{"key": name, "value": value} for name, value in plan.variables.items()],
                )
            else:
                self._set(plan, values)
            if plan.bucket:
                from huggingface_hub import Volume

                bucket = Volume(type="bucket", source=plan.bucket, mount_path=BUCKET)
                self._api.set_space_volumes(plan.name, [bucket])
            self._api.upload_folder(
                repo_id=plan.name,
                repo_type="space",
                folder_path=plan.folder,
                commit_message="Update webchat",
                delete_patterns=[*(f"{name}/**" for name in (*PACKAGES, "files", "rules")), "webchat.toml"],
            )
            if not new and plan.hardware:
                self._api.request_space_hardware(
                    plan.name,
                    plan.hardware,  # type: ignore[arg-type]
                    sleep_time=plan.sleep_after and plan.sleep_after * 60,
                )
            elif not new and plan.sleep_after:
                self._api.set_space_sleep_time(plan.name, plan.sleep_after * 60)
        return f"Done. It is building: {self._api.endpoint}/spaces/{plan.name}"

    def _set(self, plan: Plan, values: dict[str, str]) -> None:
        """Secrets and variables of a Space that is there; each change restarts it, so only what changes."""
        there = self._api.get_space_secrets(plan.name)
        values = {name: random.token_urlsafe(32) for name in MADE if name not in there} | values
        for name, value in values.items():
            self._api.add_space_secret(plan.name, name, value)
        now = self._api.get_space_variables(plan.name)
        for name, value in plan.variables.items():
            if name not in now or now[name].value != value:
                self._api.add_space_variable(plan.name, name, value)

    def _is_new(self, plan: Plan) -> bool:
        """Whether there is no Space of this name. Raises `CommandError` if there is another one, with other
        things in it."""
        if self._new is None:
            with _refusals(plan.name):
                self._new = not self._api.repo_exists(plan.name, repo_type="space")
                if not self._new:
                    self._check_ours(plan)
        return self._new

    def _check_ours(self, plan: Plan) -> None:
        names = {path.partition("/")[0] for path in self._api.list_repo_files(plan.name, repo_type="space")}
        ours = False
        if "app.py" in names:
            app = self._api.hf_hub_download(
                plan.name, "app.py", repo_type="space", local_dir=plan.folder.parent / "there"
            )
            ours = Path(app).read_text(encoding="utf-8", errors="replace").startswith(MARK)
        if others := strangers(names, ours=ours):
            raise CommandError(
                f"The Space {plan.name} contains other files: {', '.join(map(printable, others[:3]))}."
                " Choose another name, or empty it first."
            )

    def _cost(self, plan: Plan) -> str:
        if plan.on.startswith("zero"):
            return (
                "ZeroGPU is free for the owner within Hugging Face's limits (free accounts: two such Spaces);"
                " each visitor uses their own daily quota."
            )
        if plan.on == FREE:
            return f"{FREE} has no price, but hosting a Gradio Space needs a paid Hugging Face plan."
        price = "by the hour, see https://huggingface.co/pricing#spaces"
        with suppress(Exception):  # only an estimate
            for one in self._api.list_spaces_hardware():
                if one.name == plan.on:
                    price = f"${one.unit_cost_usd:g} for each {one.unit_label}"
        sleep = (
            f"; it sleeps after {counted(plan.sleep_after, 'minute')} without visitors"
            if plan.sleep_after
            else ", also when nobody visits it; --sleep-after 60 lets it sleep"
        )
        return f"{plan.on} costs {price}, as long as it runs{sleep}. Hosting needs a paid plan too."


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    """Turn what the Hub refuses into a sentence."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        yield
    except HFValidationError as error:
        raise CommandError(f"{name} is no name for a Space: {printable(str(error))[:200]}") from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        owner = name.partition("/")[0]
        said = {
            401: "The token is not valid. Make one with write access at https://huggingface.co/settings/tokens.",
            402: "Hugging Face asks for a paid plan or a payment method for this; ZeroGPU (--kind zerogpu) is"
            " the free way.",
            403: f"The token may not write to {owner}'s Spaces. Make one with write access.",
            429: "Hugging Face is limiting requests. Try again in a few minutes.",
        }.get(status)
        if said is None:
            what = printable(error.server_message or "")[:200].rstrip(".")
            said = f"Hugging Face answered {status}{f': {what}' if what else ''}."
        raise CommandError(said) from error
    except OSError as error:  # of the transport
        raise CommandError(f"Hugging Face can't be reached: {printable(str(error))[:200]}") from error
