"""Which model answers: the one that was chosen, by its server and its id, or none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import pytest
from pydantic import SecretStr

from backends.echo import EchoBackend
from backends.errors import BackendError, Unavailable
from backends.openai_compat import Address, RemoteModel
from backends.options import EndpointOptions
from webchat.models import KnownServers, Models, ModelSpec, NoSuchModel
from webchat.models.configured import configured
from webchat.models.errors import ModelGone, ModelUnclear, ServerGone
from webchat.models.identity import ModelKey
from webchat.settings import ModelSettings, Settings

ONE, TWO, THREE = "http://10.0.0.1:8000/v1", "http://10.0.0.2:8000/v1", "http://10.0.0.3:8000/v1"


def listing(address: str, name: str = "", model: str | None = None, key: str | None = None) -> ModelSpec:
    """An entry of the settings as `Models` takes it."""
    secret = None if key is None else SecretStr(key)
    entry = ModelSettings(name=name, endpoint=address, model=model, api_key=secret)
    (spec,) = configured(Settings(models=(entry,), model=None, endpoint=None))
    return spec


class Endpoints:
    """What each address lists; an error, for one that does not."""

    def __init__(self, **lists: Sequence[str]) -> None:
        self.lists: dict[str, Sequence[str] | BackendError] = {
            {"one": ONE, "two": TWO, "three": THREE}[name]: ids for name, ids in lists.items()
        }
        self.asked = 0

    async def __call__(self, spec: ModelSpec) -> Sequence[RemoteModel]:
        self.asked += 1
        found = self.lists[Address.parse(spec.endpoint.base_url).base]
        if isinstance(found, BackendError):
            raise found
        return [RemoteModel(id, chat="embed" not in id) for id in found]


def models_of(endpoints: Endpoints, *specs: ModelSpec) -> Models:
    def create(spec: ModelSpec) -> EchoBackend:
        return EchoBackend(f"{Address.parse(spec.endpoint.base_url).base} {spec.endpoint.model}")

    return Models(specs, create, list_models=endpoints)


async def where(models: Models, wanted: str) -> str:
    """Which model answers at which address."""
    return (await models.ready(await models.chosen(wanted))).model


async def started(endpoints: Endpoints, *specs: ModelSpec) -> Models:
    models = models_of(endpoints, *specs)
    await models.discover()
    return models


def names(models: Models) -> list[str]:
    return [info.name for info in models.infos()]


async def test_names_and_keys_depend_on_the_settings_alone() -> None:
    specs = [listing(ONE, "one"), listing(TWO, "two"), listing(THREE, "three")]
    found = set()
    for order in permutations(range(3)):
        endpoints = Endpoints(one=["alpha", "beta"], two=["alpha"], three=["alpha"])
        models = models_of(endpoints, *specs)
        for index in order:
            await models._discovery.ask(specs[index])
        found.add((tuple(names(models)), tuple(info.key for info in models.infos())))
    assert len(found) == 1
    ((shown, keys),) = found
    assert shown == ("alpha (one)", "beta (one)", "alpha (two)", "alpha (three)")
    assert len(set(keys)) == 4


@pytest.mark.parametrize(
    "specs",
    [
        [listing(ONE, "one"), listing(TWO, "two")],
        [listing(TWO, "two"), listing(ONE, "one")],
        [listing(ONE, "new name"), listing(TWO, "two")],
        [listing(ONE, "two"), listing(TWO, "one")],
        [listing(ONE), listing(TWO)],
        [listing(ONE)],
        [listing(ONE, "one", model="alpha"), listing(TWO, "two")],
        [listing(ONE, "alpha", model="alpha"), listing(TWO, "beta", model="alpha")],
        [listing(TWO, "alpha", model="beta"), listing(ONE, "one")],
        [listing(THREE, "three"), listing(TWO), listing(ONE)],
        [listing("http://10.0.0.1:8000", "one"), listing(TWO, "one too")],
        [listing("http://10.0.0.1:8000/v1/chat/completions"), listing(TWO, "two")],
        [listing(ONE + "?api-version=2"), listing(TWO, "two")],
        [listing(ONE, "one", key="another key"), listing(TWO, "two")],
        [listing(THREE, "one"), listing(ONE, "three"), listing(TWO, "two")],
        [listing(TWO, "one", model="alpha"), listing(ONE, "two")],
        [listing(ONE, "one"), listing(TWO, "two"), listing(THREE, "alpha (one)", model="alpha")],
        [listing(ONE.upper().replace("V1", "v1"), "upper"), listing(TWO, "one")],
    ],
)
async def test_a_choice_holds_whatever_the_settings_call_it(specs: list[ModelSpec]) -> None:
    lists = {"one": ["alpha", "beta"], "two": ["alpha"], "three": ["alpha"]}
    before = await started(Endpoints(**lists), listing(ONE, "one"), listing(TWO, "two"))
    key = before.key("alpha (one)")
    assert await where(before, key) == f"{ONE} alpha"
    after = await started(Endpoints(**lists), *specs)
    assert await where(after, key) == f"{ONE} alpha"
    assert after.key(key) == after.key(await after.chosen(key))


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("http://localhost:8000", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/v1", "http://[::1]:8000/v1/"),
        ("http://LOCALHOST:8000/v1", "http://localhost:8000/v1/models"),
        ("https://api.example.com/v1", "https://API.example.com:443/v1/"),
        ("http://api.example.com./v1", "https://api.example.com/v1"),
        ("https://bücher.example/v1", "https://xn--bcher-kva.example/v1"),
        ("https://h.example/v1?key=a&x=1", "https://h.example/v1?x=1&key=a"),
        ("http://10.0.0.1:80/v1", "http://10.0.0.1/v1"),
        ("http://10.0.0.1:8000//v1/", "http://10.0.0.1:8000/v1"),
        ("http://10.0.0.1:8000/v1/./", "http://10.0.0.1:8000/v1"),
        ("http://10.1:8000/v1", "http://10.0.0.1:8000/v1"),
        ("http://127.1:8000", "http://localhost:8000/v1"),
        ("http://[::ffff:10.0.0.1]:8000/v1", "http://10.0.0.1:8000/v1"),
        ("http://[2001:DB8::1]/v1", "http://[2001:db8:0::1]/v1"),
        ("https://h.example/%7euser/v1", "https://h.example/~user/v1"),
        ("https://h.example/a%2fb/v1", "https://h.example/a%2Fb/v1"),
        (
            "https://h.example/openai/deployments/d?api-version=1",
            "https://h.example/openai/deployments/d/?api-version=2",
        ),
    ],
)
def test_one_server_has_one_identity_however_it_is_written(first: str, then: str) -> None:
    assert Address.parse(first).identity == Address.parse(then).identity


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("http://localhost:8000/v1", "http://localhost:8001/v1"),
        ("http://localhost:8000/v1", "http://localhost:8000/other/v1"),
        ("http://127.0.0.1:8000/v1", "http://127.0.0.2:8000/v1"),
        ("http://10.0.0.1:8000/v1", "http://10.0.0.1:8000/V1"),
        ("https://h.example/a%2Fb/v1", "https://h.example/a/b/v1"),
        ("http://h.example:443/v1", "https://h.example/v1"),
        ("https://a.example/v1", "https://b.example/v1"),
        ("https://h.example/v1?tenant=a", "https://h.example/v1?tenant=b"),
        ("https://h.example/openai/deployments/a", "https://h.example/openai/deployments/b"),
    ],
)
def test_two_servers_have_two(first: str, then: str) -> None:
    assert Address.parse(first).identity != Address.parse(then).identity


def test_an_identity_holds_no_secret_and_a_key_no_address() -> None:
    assert "secret-word" not in Address.parse("https://h.example/v1?key=secret-word").identity
    models = models_of(Endpoints(one=["alpha"]), listing(ONE, model="alpha"))
    assert "10.0.0.1" not in models.key("alpha")


async def test_nobody_answers_in_the_place_of_a_server_that_is_gone() -> None:
    lists = {"one": ["alpha"], "two": ["alpha"]}
    before = await started(Endpoints(**lists), listing(ONE, "one"), listing(TWO, "two"))
    key = before.key("alpha (two)")
    for specs in (
        [listing(ONE, "one")],
        [listing(ONE, "two")],
        [listing(ONE, "two", model="alpha")],
        [listing(ONE, "alpha (two)", model="alpha")],
        [ModelSpec("alpha", "echo", options=EndpointOptions(ONE, "alpha"))],
        [ModelSpec("two", "echo", options=EndpointOptions(ONE, "alpha"))],
    ):
        after = await started(Endpoints(**lists), *specs)
        with pytest.raises(ServerGone):
            await after.chosen(key)
        info = after.info(key)
        assert (info.name, info.key, info.missing, info.status) == ("alpha", key, True, "failed")


async def test_a_server_that_now_serves_one_other_model_says_so() -> None:
    before = await started(Endpoints(two=["alpha"]), listing(TWO, "two"))
    after = await started(Endpoints(), listing(TWO, "two", model="beta"))
    with pytest.raises(ModelGone):
        await after.chosen(before.key("alpha"))


async def test_an_endpoint_that_is_down_keeps_its_conversations() -> None:
    lists = {"one": ["alpha"], "two": ["alpha"]}
    key = (await started(Endpoints(**lists), listing(ONE, "one"), listing(TWO, "two"))).key("alpha (two)")
    endpoints = Endpoints(**lists)
    endpoints.lists[TWO] = Unavailable("Off.")
    after = await started(endpoints, listing(ONE, "one"), listing(TWO, "two"))
    assert names(after) == ["alpha (one)", "two"]
    assert await where(after, key) == f"{TWO} alpha"
    assert (after.info(key).name, after.info(key).missing) == ("alpha (two)", False)


async def test_two_entries_of_one_server_are_told_apart() -> None:
    specs = [
        listing(ONE, "creative", model="alpha", key="k1"),
        listing(ONE, "strict", model="alpha", key="k2"),
    ]
    models = await started(Endpoints(), *specs)
    keys = [models.key(spec.name) for spec in specs]
    assert [await models.chosen(key) for key in keys] == ["creative", "strict"]
    renamed = await started(Endpoints(), replace(specs[0], name="wild", label="wild"), specs[1])
    with pytest.raises(ModelUnclear):
        await renamed.chosen(keys[0])
    assert await renamed.chosen(keys[1]) == "strict"


async def test_a_name_of_the_settings_never_means_a_model_an_endpoint_lists() -> None:
    models = await started(
        Endpoints(one=["alpha", "two"]),
        listing(TWO, "alpha", model="gamma"),
        listing(ONE),
        listing(THREE, "two", model="delta"),
    )
    assert names(models)[0] == "alpha"
    assert await where(models, "alpha") == f"{TWO} gamma"
    assert await where(models, "two") == f"{THREE} delta"
    listed = [name for name in names(models) if name.startswith(("alpha (", "two ("))]
    assert len(listed) == 2
    assert [await where(models, name) for name in listed] == [f"{ONE} alpha", f"{ONE} two"]
    assert "10.0.0.1" not in " ".join(listed)


async def test_bare_names_are_resolved_only_where_one_can_be_meant() -> None:
    lists = {"one": ["alpha", "beta"], "two": ["alpha"]}
    single = await started(Endpoints(**lists), listing(ONE))
    assert await where(single, "alpha") == f"{ONE} alpha"
    both = await started(Endpoints(**lists), listing(ONE, "one"), listing(TWO, "two"))
    assert await where(both, "beta") == f"{ONE} beta"
    assert await where(both, "alpha (two)") == f"{TWO} alpha"
    with pytest.raises(ModelUnclear):
        await both.chosen("alpha")
    with pytest.raises(NoSuchModel):
        await both.chosen("gamma")
    named = await started(Endpoints(), listing(ONE, "fast", model="alpha"))
    assert await where(named, "alpha") == f"{ONE} alpha"

    endpoints = Endpoints(**lists)
    endpoints.lists[TWO] = Unavailable("Off.")
    half = await started(endpoints, listing(ONE, "one"), listing(TWO, "two"))
    with pytest.raises(ModelUnclear):
        await half.chosen("alpha")
    with pytest.raises(Unavailable):
        await half.chosen("gamma")


async def test_a_bare_name_follows_the_one_model_that_has_it_also_to_a_new_address() -> None:
    """Versions that stored bare names kept no server with them, so a person who moves the only one means it;
    once a key is stored, nobody answers in its place."""
    lists = {"one": ["alpha"], "two": ["alpha"]}
    moved = await started(Endpoints(**lists), listing(TWO, "one"))
    assert await where(moved, "alpha") == f"{TWO} alpha"
    key = (await started(Endpoints(**lists), listing(ONE, "one"))).key("alpha")
    with pytest.raises(ServerGone):
        await moved.chosen(key)


async def test_a_model_of_this_process_goes_on_under_its_path_or_its_name() -> None:
    def here(name: str, path: str) -> ModelSpec:
        return ModelSpec(name, "echo", server=f"here:local {path}", label=name)

    def answering(*specs: ModelSpec) -> Models:
        return Models(specs, lambda spec: EchoBackend(spec.server))

    key = answering(here("mine", "/a/checkpoint-100")).key("mine")
    assert await answering(here("other", "/a/checkpoint-100")).chosen(key) == "other"
    assert await answering(here("mine", "/a/checkpoint-200")).chosen(key) == "mine"
    with pytest.raises(ServerGone):
        await answering(here("other", "/a/checkpoint-200")).chosen(key)
    with pytest.raises(ServerGone):
        await answering(listing(ONE, "mine", model="mine")).chosen(key)


@pytest.mark.parametrize(
    "text", ["alpha", "@cf/meta/llama", "@0123456789/x/alpha", "@0123456789//", "", "@", "@0123456789/here/"]
)
def test_ids_are_not_taken_for_keys(text: str) -> None:
    assert ModelKey.parse(text) is None


def test_a_key_is_read_as_it_was_written() -> None:
    for model in ("alpha", "openai/gpt-4o", "a b/ü:1\n", "@cf/x", "@0123456789/here/x"):
        for entry in ("here", "abcdef", ""):
            key = ModelKey("0123456789", entry, model)
            assert ModelKey.parse(str(key)) == key


async def test_a_list_is_renewed_when_somebody_looks_and_not_oftener(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("webchat.models.discovery.monotonic", lambda: now)
    endpoints = Endpoints(one=["alpha", "beta"])
    models = await started(endpoints, listing(ONE))
    assert names(models) == ["alpha", "beta"]
    endpoints.lists[ONE] = ["beta", "gamma"]
    await asyncio.gather(*(models.look(5) for _ in range(20)))
    assert (names(models), endpoints.asked) == (["alpha", "beta"], 1)
    now += 11
    await asyncio.gather(*(models.look(5) for _ in range(20)))
    assert (names(models), endpoints.asked) == (["beta", "gamma"], 2)


async def test_a_model_that_is_removed_says_so_and_works_again_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr("webchat.models.discovery.monotonic", lambda: now)
    endpoints = Endpoints(one=["alpha", "beta"])
    models = await started(endpoints, listing(ONE, "one"))
    key = models.key("alpha")
    endpoints.lists[ONE] = ["beta"]
    await models.discover()
    for wanted in (key, "alpha"):
        with pytest.raises(ModelGone, match="alpha is no longer offered by one"):
            await models.chosen(wanted)
    assert models.info(key).missing
    now += 5
    endpoints.lists[ONE] = ["alpha", "beta"]
    assert await where(models, key) == f"{ONE} alpha", "its endpoint is asked before it is refused"
    assert not models.info(key).missing
    endpoints.lists[ONE] = []
    await models.discover()
    (info,) = models.infos()
    assert info.unlisted
    assert "lists no models" in str(info.failure)
    endpoints.lists[ONE] = Unavailable("Off.")
    await models.discover()
    endpoints.lists[ONE] = ["alpha"]
    await models.retry("one")
    assert names(models) == ["alpha"]


async def test_what_cannot_chat_is_not_offered_and_can_still_be_named() -> None:
    models = await started(Endpoints(one=["text-embed", "alpha"]), listing(ONE))
    assert (names(models), models.default) == (["alpha"], "alpha")
    assert await where(models, "text-embed") == f"{ONE} text-embed"
    models = await started(Endpoints(one=["text-embed"]), listing(ONE))
    assert "do not support chat" in str(models.infos()[0].failure)


def test_servers_known_from_earlier_starts_keep_their_ids() -> None:
    servers = KnownServers([("0123456789", "10.0.0.1:8000/v1")])
    models = Models([listing(ONE, model="alpha")], servers=servers)
    assert models.key("alpha") == "@0123456789//alpha"
