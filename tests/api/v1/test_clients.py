"""The clients that programs use, each in an environment of its own, against a running server.

The environments are made on first use, which takes minutes and the package index.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from backends.echo import EchoBackend, Step
from backends.types import Request, ToolCallDelta
from tests.api.conftest import MakeSite, serving
from tests.api.test_keys import WAYS, held
from tests.clean_environment import ROOT, bare, kept_environment

pytestmark = pytest.mark.slow

REQUIREMENTS = {
    "openai": "openai==3.57.0",
    "anthropic": "anthropic==2.14.0",
    "langchain": "langchain-openai==1.7.4",
    "llama_index": "llama-index-llms-openai-like==0.8.1",
    "llm": "llm==0.36",
    "litellm": "litellm==1.80.0",
}

OPENAI = """
import json, sys
import openai
from pydantic import BaseModel

client = openai.OpenAI(base_url=sys.argv[1], api_key=sys.argv[2], max_retries=0)
assert [model.id for model in client.models.list()] == ["echo"]
hello = [{"role": "user", "content": "Hello there"}]
made = client.chat.completions.create(model="echo", messages=hello)
assert made.choices[0].message.content == "Hello there", made
assert made.usage.total_tokens == 4
stream = client.chat.completions.create(
    model="echo", messages=hello, stream=True, stream_options={"include_usage": True}
)
chunks = list(stream)
assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Hello there"
assert chunks[-1].usage.completion_tokens == 2

tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
called = client.chat.completions.create(model="echo", messages=hello, tools=[tool]).choices[0]
assert called.finish_reason == "tool_calls"
(call,) = called.message.tool_calls
assert json.loads(call.function.arguments) == {"city": "Oslo"}
answered = [*hello, called.message, {"role": "tool", "tool_call_id": call.id, "content": "Rain"}]
last = client.chat.completions.create(model="echo", messages=answered, tools=[tool]).choices[0]
assert last.message.content == "Rain"
with client.chat.completions.stream(model="echo", messages=hello, tools=[tool]) as events:
    final = events.get_final_completion()
assert json.loads(final.choices[0].message.tool_calls[0].function.arguments) == {"city": "Oslo"}

class City(BaseModel):
    city: str

parsed = client.chat.completions.parse(model="echo", messages=hello, response_format=City)
assert parsed.choices[0].message.parsed == City(city="Oslo")

for body, kind in (
    ({"model": "gpt-17", "messages": hello}, openai.NotFoundError),
    ({"model": "echo", "messages": hello, "n": 2}, openai.BadRequestError),
    ({"model": "echo", "messages": []}, openai.BadRequestError),
):
    try:
        client.chat.completions.create(**body)
    except kind as error:
        assert error.code and error.param, error.body
    else:
        raise AssertionError(body)
raw = client.chat.completions.with_raw_response.create(model="echo", messages=hello, user="ada")
assert raw.headers["x-webchat-ignored"] == "user"
try:
    openai.OpenAI(base_url=sys.argv[1], api_key="wk_wrong", max_retries=0).models.list()
except openai.AuthenticationError as error:
    assert error.code == "invalid_api_key"
else:
    raise AssertionError("a wrong key")

response = client.responses.create(model="echo", input="Hello there", instructions="Be brief.", store=False)
assert response.output_text == "Hello there", response
events = list(client.responses.create(model="echo", input="Hello there", stream=True))
assert events[0].type == "response.created" and events[-1].type == "response.completed"
assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == "Hello there"
flat = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": False}
item = client.responses.create(model="echo", input="Weather?", tools=[flat]).output[0]
assert item.type == "function_call" and item.name == "weather"
parsed = client.responses.parse(model="echo", input="Where?", text_format=City)
assert parsed.output_parsed == City(city="Oslo")
assert client.moderations.create(input="Hello").results[0].flagged is False

completed = client.completions.create(model="echo", prompt=" Once upon", echo=True, max_tokens=50)
assert completed.choices[0].text == " Once upon Once upon", completed
chunks = client.completions.create(model="echo", prompt=" Once upon", stream=True)
assert "".join(chunk.choices[0].text for chunk in chunks) == " Once upon"
try:
    client.completions.create(model="echo", prompt=[[1, 2]])
except openai.BadRequestError as error:
    assert error.param == "prompt", error.body
else:
    raise AssertionError("tokens")
"""

ANTHROPIC = """
import sys
import anthropic

client = anthropic.Anthropic(base_url=sys.argv[1].removesuffix("/v1"), api_key=sys.argv[2], max_retries=0)
hello = [{"role": "user", "content": "Hello there"}]
made = client.messages.create(model="echo", max_tokens=100, system="Be brief.", messages=hello)
assert made.content[0].text == "Hello there" and made.stop_reason == "end_turn", made
with client.messages.stream(model="echo", max_tokens=100, messages=hello) as stream:
    assert "".join(stream.text_stream) == "Hello there"
    assert stream.get_final_message().usage.output_tokens == 2
tool = {"name": "weather", "input_schema": {"type": "object"}}
used = client.messages.create(model="echo", max_tokens=100, messages=hello, tools=[tool])
assert used.stop_reason == "tool_use" and used.content[0].input == {"city": "Oslo"}, used
with client.messages.stream(model="echo", max_tokens=100, messages=hello, tools=[tool]) as stream:
    assert stream.get_final_message().content[0].input == {"city": "Oslo"}
result = {"type": "tool_result", "tool_use_id": used.content[0].id, "content": "Rain"}
messages = [*hello, {"role": "assistant", "content": used.content}, {"role": "user", "content": [result]}]
assert client.messages.create(model="echo", max_tokens=100, messages=messages, tools=[tool]).content
try:
    client.messages.create(model="gpt-17", max_tokens=100, messages=hello)
except anthropic.NotFoundError as error:
    assert error.body["error"]["type"] == "not_found_error"
else:
    raise AssertionError("an unknown model")
"""

LANGCHAIN = """
import sys
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

model = ChatOpenAI(base_url=sys.argv[1], api_key=sys.argv[2], model="echo", max_retries=0)
assert model.invoke("Hello there").content == "Hello there"
assert "".join(chunk.content for chunk in model.stream("Hello there")) == "Hello there"

@tool
def weather(city: str) -> str:
    "Tells the weather."
    return "Rain"

called = model.bind_tools([weather]).invoke("Weather?")
assert called.tool_calls[0]["args"] == {"city": "Oslo"}, called

class City(BaseModel):
    city: str

assert model.with_structured_output(City, method="json_schema").invoke("Where?") == City(city="Oslo")
responses = ChatOpenAI(base_url=sys.argv[1], api_key=sys.argv[2], model="echo", use_responses_api=True)
assert responses.invoke("Hello there").text == "Hello there"
"""

LLAMA_INDEX = """
import sys
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike

model = OpenAILike(api_base=sys.argv[1], api_key=sys.argv[2], model="echo", is_chat_model=True)
hello = [ChatMessage(role="user", content="Hello there")]
assert model.chat(hello).message.content == "Hello there"
assert "".join(piece.delta for piece in model.stream_chat(hello)) == "Hello there"
assert model.complete("Hello there").text == "Hello there"
"""

LLM = """
import pathlib, subprocess, sys
import llm

folder = llm.user_dir()
folder.mkdir(parents=True, exist_ok=True)
(folder / "extra-openai-models.yaml").write_text(
    f"- model_id: webchat\\n  model_name: echo\\n  api_base: {sys.argv[1]}\\n  api_key_name: webchat\\n"
)
(folder / "keys.json").write_text('{"webchat": "%s"}' % sys.argv[2])
model = llm.get_model("webchat")
assert model.prompt("Hello there", stream=False).text() == "Hello there"
assert "".join(model.prompt("Hello there", system="Be brief.")) == "Hello there"
said = subprocess.check_output([sys.executable, "-m", "llm", "-m", "webchat", "Hello there"], text=True)
assert said.strip() == "Hello there", said
"""

LITELLM = """
import os, sys
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm

hello = [{"role": "user", "content": "Hello there"}]
asked = {"api_base": sys.argv[1], "api_key": sys.argv[2], "messages": hello}
assert litellm.completion(model="openai/echo", **asked).choices[0].message.content == "Hello there"
chunks = litellm.completion(model="openai/echo", stream=True, **asked)
assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello there"
try:
    litellm.completion(model="openai/gpt-17", **asked)
except litellm.NotFoundError:
    pass
else:
    raise AssertionError("an unknown model")
"""

SCRIPTS = {
    "openai": OPENAI,
    "anthropic": ANTHROPIC,
    "langchain": LANGCHAIN,
    "llama_index": LLAMA_INDEX,
    "llm": LLM,
    "litellm": LITELLM,
}


def script(request: Request) -> Iterable[Step]:
    """Calls a tool where there is one, writes JSON where it has to, and says the last words again else."""
    asked = request.messages[-1]
    if request.options.tools and asked.role == "user":
        return [ToolCallDelta(0, "call_1", "weather", '{"city"'), ToolCallDelta(0, arguments=': "Oslo"}')]
    if request.options.response_format is not None:
        return ['{"city": "Oslo"}']
    return re.findall(r"\s*\S+", asked.text)


@pytest.fixture
async def server(make_site: MakeSite) -> AsyncIterator[tuple[str, str]]:
    """The base URL of a server whose visitors need keys, and a key."""
    backend = EchoBackend(script=script, options=True)
    async with make_site(backend, ways=WAYS) as site, serving(site.door) as url:
        yield f"{url}/v1", held(site, stored=False).token


async def run(python: Path, text: str, folder: Path, *args: str) -> None:
    (folder / "client.py").write_text(text, encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(str(python), "client.py", *args),
        cwd=folder,
        env=bare(folder),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()[-4000:]


@pytest.mark.parametrize("client", SCRIPTS)
async def test_a_client_finds_what_it_expects(server: tuple[str, str], tmp_path: Path, client: str) -> None:
    python = await asyncio.to_thread(kept_environment, REQUIREMENTS[client], constrained=False)
    await run(python, SCRIPTS[client], tmp_path, *server)


async def test_what_the_docs_say_works(server: tuple[str, str], tmp_path: Path) -> None:
    page = (ROOT / "deploy" / "api.md").read_text(encoding="utf-8")
    snippets = re.findall(r"```python\n(.*?)```", page.partition("## Use it from code")[2], re.DOTALL)
    assert len(snippets) >= 3
    for text in snippets:
        client = "anthropic" if "import anthropic" in text else "openai"
        python = await asyncio.to_thread(kept_environment, REQUIREMENTS[client], constrained=False)
        url, key = server
        here = text.replace("http://127.0.0.1:7860/v1", url).replace("http://127.0.0.1:7860", url[:-3])
        await run(python, here.replace("wk_...", key), tmp_path)
