"""Many people at once through the page's own routes, beside a bare `gr.ChatInterface`; SQLite, journal on.

    python -m tests.benchmarks.crowd [--people 200] [--words 200] [--rate 20] [--no-baseline] [--link]

With `--link` the same people come once more, by one tester link with every limit, and their figures are
printed as ratios to those of the first run.

The driver, the endpoint and the server share the cores, as they would on a small machine.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import httpx

from tests.app_process import AppProcess
from tests.benchmarks import gradio_wire
from tests.benchmarks.cost import Load
from tests.benchmarks.measure import (
    FREELY,
    WATCHED,
    bare_gradio,
    calibration,
    cpu_seconds,
    endpoint,
    memory_mib,
)
from tests.benchmarks.watched import holds
from tests.load import Followed, converse, crowd, newcomers, summary
from webchat.auth.cookies import Cookies
from webchat.data_folder import SECRET
from webchat.store import Store
from webchat.store.link_records import LinkTerms

ARRIVE_SECONDS = 1.0
"""All have asked by then."""


async def of_webchat(url: str, load: Load, *, linked: bool = False) -> dict[str, float]:
    """linked: they came by one link. Returns the summary of what they saw."""
    env = {**FREELY, "WEBCHAT_MAX_TURNS_PER_LINK": "1000"}
    with (
        tempfile.TemporaryDirectory() as folder,
        AppProcess(Path(folder), "--endpoint", url, "--access", "open", env=env, module=WATCHED) as app,
    ):
        cookies = await _guests(app, load.people) if linked else await newcomers(app.port, load.people)
        await converse(app.port, "words=5", cookie=cookies[0])
        used = cpu_seconds(app.pid)
        seen = await crowd(app.port, load.people, load.ask, arrive=ARRIVE_SECONDS, cookies=cookies)
        whole = " ".join(f"w{number}" for number in range(load.words))
        right = sum(one.text.split() == whole.split() for one in seen)
        _print(
            "by one link" if linked else "webchat",
            seen,
            cpu_seconds(app.pid) - used,
            memory_mib(app.pid),
            load,
        )
        print(f"{'':12} {right} of {load.people} replies are the endpoint's, word for word")
        app.stop()
        print(f"{'':12} {holds(app.log)}")
        return summary(seen)


async def _guests(app: AppProcess, people: int) -> list[str]:
    """Cookies of people of one link that limits everything, far beyond what they use. Like newcomers, each
    has opened the page."""
    terms = LinkTerms(
        people=people,
        conversations=10**6,
        messages=10**6,
        tokens=10**9,
        replies_at_once=1000,
        conversations_each=1000,
        messages_each=1000,
        tokens_each=10**6,
    )
    cookies = Cookies((app.data_dir / SECRET).read_text().strip())
    with closing(Store.open(f"sqlite:///{app.data_dir / 'webchat.db'}", serve=False)) as store:
        link = store.create_link("crowd", "hash", None, terms)
        guests = [store.create_owner("guest", "Tess", link.id).id for _ in range(people)]
    made = [cookies.header(guest, secure=False).partition(";")[0] for guest in guests]
    async with httpx.AsyncClient(base_url=app.url, timeout=60) as client:
        for cookie in made:
            (await client.get("/api/me", headers={"cookie": cookie})).raise_for_status()
    return made


async def of_bare_gradio(url: str, load: Load) -> None:
    with bare_gradio(url, 0) as (port, pid, event):
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(timeout=600, limits=limits) as client:
            await gradio_wire.converse(client, port, event, "words=5", "first")
            used = cpu_seconds(pid)

            async def one(number: int) -> Followed:
                await asyncio.sleep(ARRIVE_SECONDS * number / load.people)
                return await gradio_wire.converse(client, port, event, load.ask, f"session{number}")

            seen = await asyncio.gather(*(one(number) for number in range(load.people)))
            _print("bare Gradio", seen, cpu_seconds(pid) - used, memory_mib(pid), load)


def _print(name: str, seen: Sequence[Followed], cpu: float, memory: float, load: Load) -> None:
    found = summary(seen)
    print(
        f"{name:12} {found['finished']:.0f} of {load.people} whole; first token median"
        f" {found['ttft_median'] * 1e3:.0f} ms, p95 {found['ttft_p95'] * 1e3:.0f} ms; gap p50"
        f" {found['gap_p50'] * 1e3:.0f} ms, p95 {found['gap_p95'] * 1e3:.0f} ms, longest"
        f" {found['gap_max'] * 1e3:.0f} ms; total median {found['total_median']:.1f} s"
        f" (the endpoint takes {load.words / load.rate:.1f} s);"
        f" CPU {cpu / load.thousands:.3f} s / 1,000 tokens; {memory:.0f} MiB",
        flush=True,
    )


async def run(load: Load, baseline: bool, link: bool) -> None:
    print(calibration())
    print(
        f"{load.people} people within {ARRIVE_SECONDS:g} s, {load.words} tokens at {load.rate:g} tokens/s\n"
    )
    with endpoint() as url:
        plain = await of_webchat(url, load)
        if link:
            linked = await of_webchat(url, load, linked=True)
            ratios = ", ".join(
                f"{name} x{linked[key] / max(plain[key], 1e-9):.2f}"
                for name, key in (
                    ("first token median", "ttft_median"),
                    ("p95", "ttft_p95"),
                    ("gap p50", "gap_p50"),
                    ("p95", "gap_p95"),
                )
            )
            print(f"{'':12} by one link to without: {ratios}", flush=True)
        if baseline:
            await of_bare_gradio(url, load)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--words", type=int, default=200)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--baseline", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--link", action="store_true")
    options = parser.parse_args()
    asyncio.run(run(Load(options.people, options.words, options.rate), options.baseline, options.link))


if __name__ == "__main__":
    main()
