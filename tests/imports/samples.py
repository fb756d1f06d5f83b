"""Small files as each product writes them, made here from its documented shape, with its oddities."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def written(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def lines(path: Path, values: list[Any]) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return path


def zipped(path: Path, members: Mapping[str, object]) -> Path:
    """A zip. members: JSON values, or bytes, by name."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in members.items():
            archive.writestr(name, value if isinstance(value, bytes) else json.dumps(value))
    return path


def node(id: str, parent: str | None, role: str, said: object = None, **more: Any) -> dict[str, Any]:
    """A node of ChatGPT's tree. said: its text, or its whole content."""
    content = {"content_type": "text", "parts": [said]} if isinstance(said, str) else said
    message = {"id": id, "author": {"role": role}, "content": content, "recipient": "all", **more}
    return {"id": id, "parent": parent, "message": message, "children": []}


def chatgpt(id: str = "conv-1", title: str = "Lighthouses", more: int = 0) -> dict[str, Any]:
    """A question with two answers, the second by way of a tool; a picture; a canvas. more: later turns."""
    at = 1_767_225_600.25
    nodes = [
        {"id": "root", "parent": None, "message": None, "children": ["hidden"]},
        node(
            "hidden",
            "root",
            "user",
            {"content_type": "user_editable_context", "user_profile": "A sailor."},
            metadata={"is_visually_hidden_from_conversation": True},
        ),
        node(
            "q1",
            "hidden",
            "user",
            {
                "content_type": "multimodal_text",
                "parts": [{"asset_pointer": "sediment://file_abc#p_1.png"}, "Where is the lighthouse?"],
            },
            create_time=at,
        ),
        node("a1", "q1", "assistant", "On the \ue200cite\ue202turn0search1\ue201cliff.", create_time=at + 1),
        node(
            "t1",
            "q1",
            "assistant",
            {"content_type": "thoughts", "thoughts": [{"summary": "Looking", "content": "At the map."}]},
            create_time=at + 2,
            metadata={"model_slug": "gpt-5-thinking"},
        ),
        node(
            "c1",
            "t1",
            "assistant",
            {"content_type": "code", "language": "python", "text": "print('map')"},
            recipient="python",
            create_time=at + 3,
        ),
        node(
            "x1",
            "c1",
            "tool",
            {"content_type": "execution_output", "text": "```map```"},
            create_time=at + 4,
        ),
        node(
            "r1",
            "x1",
            "assistant",
            {"content_type": "reasoning_recap", "content": "Thought for 3 seconds"},
            metadata={"finished_duration_sec": 3},
            create_time=at + 4,
        ),
        node(
            "a2",
            "r1",
            "assistant",
            ':::writing{variant="email"}\nBy the **sea**.\n:::\n',
            create_time=at + 5,
            metadata={"model_slug": "gpt-5-thinking", "finish_details": {"type": "stop"}},
        ),
        node("q2", "a2", "user", "Draw it.", create_time=at + 6),
        node(
            "d2",
            "q2",
            "assistant",
            json.dumps({"name": "tower", "type": "code/svg", "content": "<svg/>"}),
            recipient="canmore.create_textdoc",
            create_time=at + 7,
        ),
        node("a3", "d2", "assistant", "Done.", create_time=at + 8, status="in_progress"),
    ]
    last = "a3"
    for number in range(more):
        nodes.append(node(f"mq{number}", last, "user", f"More {number}?", create_time=at + 10 + 2 * number))
        last = f"ma{number}"
        nodes.append(node(last, f"mq{number}", "assistant", "More.", create_time=at + 11 + 2 * number))
    for one in nodes:
        del one["children"]  # as newer exports do
    return {
        "title": title,
        "create_time": at,
        "update_time": at + 8 + 2 * more,
        "conversation_id": id,
        "current_node": last,
        "default_model_slug": "gpt-5",
        "gizmo_id": "g-p-harbour",
        "is_archived": False,
        "mapping": {one["id"]: one for one in nodes},
    }


def claude() -> dict[str, Any]:
    """Thinking, a tool, an artifact, an attachment with its text and a picture without."""
    return {
        "uuid": "cl-1",
        "name": "Tides",
        "summary": "About tides",
        "created_at": "2026-02-01T10:00:00.000000Z",
        "updated_at": "2026-02-01T10:05:00.000000Z",
        "chat_messages": [
            {
                "uuid": "h1",
                "sender": "human",
                "text": "When is high tide?",
                "content": [{"type": "text", "text": "When is high tide?"}],
                "created_at": "2026-02-01T10:00:01Z",
                "attachments": [{"file_name": "table.txt", "extracted_content": "06:00 high"}],
                "files": [{"file_name": "bay.jpg"}],
            },
            {
                "uuid": "r1",
                "sender": "assistant",
                "text": "At six. ```\nThis block is not supported on your current device yet.\n```",
                "content": [
                    {"type": "thinking", "thinking": "Read the table."},
                    {"type": "tool_use", "name": "search", "input": {"query": "tide"}},
                    {"type": "tool_result", "content": [{"type": "text", "text": "06:00"}]},
                    {"type": "text", "text": "At six."},
                    {
                        "type": "tool_use",
                        "name": "artifacts",
                        "input": {"title": "Plan", "content": "Go early."},
                    },
                ],
                "created_at": "2026-02-01T10:00:09Z",
            },
        ],
    }


def openwebui() -> dict[str, Any]:
    return {
        "id": "ow-1",
        "user_id": "somebody",
        "title": "Boats",
        "folder_id": "harbour",
        "pinned": True,
        "created_at": 1_767_225_600,
        "updated_at": 1_767_225_700,
        "chat": {
            "models": ["qwen"],
            "params": {"system": "Be brief."},
            "history": {
                "currentId": "b",
                "messages": {
                    "u": {
                        "id": "u",
                        "parentId": None,
                        "childrenIds": ["a", "b"],
                        "role": "user",
                        "content": "Which?",
                    },
                    "a": {
                        "id": "a",
                        "parentId": "u",
                        "role": "assistant",
                        "model": "qwen",
                        "timestamp": 1_767_225_610,
                        "content": '<details type="reasoning" done="true" duration="4">\n'
                        "<summary>Thought</summary>\n&gt; Think.\n</details>\nThe red one.",
                        "annotation": {"rating": 1},
                    },
                    "b": {
                        "id": "b",
                        "parentId": "u",
                        "role": "assistant",
                        "model": "llama",
                        "timestamp": 1_767_225_611,
                        "content": "<details>ignored</details>",
                        "output": [
                            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
                            {"type": "function_call", "name": "look", "arguments": "{}"},
                            {
                                "type": "function_call_output",
                                "output": [{"type": "input_text", "text": "blue"}],
                            },
                            {
                                "type": "message",
                                "content": [{"type": "output_text", "text": "The blue one."}],
                            },
                        ],
                    },
                },
            },
        },
    }


def librechat(*, recursive: bool = False) -> dict[str, Any]:
    root = "00000000-0000-0000-0000-000000000000"
    asked = {
        "messageId": "u",
        "parentMessageId": root,
        "isCreatedByUser": True,
        "sender": "User",
        "text": "Which rope?",
        "createdAt": "2026-03-01T08:00:00.000Z",
    }
    one = {"messageId": "a", "parentMessageId": "u", "sender": "GPT", "model": "gpt", "text": "The old one."}
    other = {
        "messageId": "b",
        "parentMessageId": "u",
        "sender": "GPT",
        "model": "gpt",
        "text": "",
        "content": [
            {"type": "think", "think": "Strong."},
            {"type": "text", "text": {"value": "The new one."}},
        ],
        "feedback": {"rating": "thumbsUp"},
    }
    whole = {"conversationId": "lc-1", "title": "Ropes", "endpoint": "openAI", "options": {"model": "gpt"}}
    if recursive:
        return {**whole, "recursive": True, "messagesTree": [{**asked, "children": [one, other]}]}
    return {**whole, "messages": [asked, one, other]}


def chatui() -> dict[str, Any]:
    return {
        "_id": {"$oid": "65f0"},
        "title": "Knots",
        "model": "smol",
        "preprompt": "Be kind.",
        "messages": [
            {"id": "s", "from": "system", "content": "Be kind.", "ancestors": [], "children": ["u"]},
            {"id": "u", "from": "user", "content": "A knot?", "ancestors": ["s"], "children": ["a", "b"]},
            {"id": "a", "from": "assistant", "content": "Bowline.", "ancestors": ["s", "u"], "score": -1},
            {"id": "b", "from": "assistant", "content": "Reef.", "reasoning": "Hm.", "ancestors": ["s", "u"]},
        ],
    }


def textgen() -> dict[str, Any]:
    return {
        "internal": [
            ["<|BEGIN-VISIBLE-CHAT|>", "Hello there."],
            ["Is it &lt;deep&gt;?", "<think>Measure.</think>Very."],
        ],
        "visible": [["", "Hello there."], ["Is it &lt;deep&gt;?", "Very."]],
        "metadata": {
            "user_1": {"timestamp": "Jan 09, 2026 17:30"},
            "assistant_1": {
                "model_name": "tiny",
                "versions": [{"content": "No."}, {"content": "<think>Measure.</think>Very."}],
                "current_version_index": 1,
            },
        },
    }


def sillytavern() -> list[dict[str, Any]]:
    return [
        {"user_name": "Ada", "character_name": "Captain", "create_date": "2026-1-9 @17h 30m 5s 1ms"},
        {"name": "Captain", "is_user": False, "send_date": "2026-1-9 @17h 30m 6s 1ms", "mes": "Ahoy!"},
        {"name": "Ada", "is_user": True, "send_date": "January 9, 2026 5:31pm", "mes": "Where to?"},
        {
            "name": "Captain",
            "is_user": False,
            "mes": "South.",
            "swipe_id": 1,
            "swipes": ["North.", "South."],
            "extra": {"model": "pirate-7b", "reasoning": "Warm."},
        },
    ]


def gemini() -> list[dict[str, Any]]:
    def row(at: str, asked: str, *replies: str, **more: Any) -> dict[str, Any]:
        html = [{"html": reply} for reply in replies]
        title = f"送信したメッセージ: {asked}"
        return {"header": "Gemini アプリ", "title": title, "time": at, "safeHtmlItem": html, **more}

    place = {"details": [{"url": "https://gemini.google.com/app/0123456789abcdef"}]}
    return [
        row("2026-04-02T09:01:00.000Z", "And then?", "<p>Then <b>wait</b>.</p>", "<p>Go.</p>", **place),
        row("2026-04-02T09:00:00.000Z", "A storm?", "<ul><li>Reef</li><li>Wait</li></ul>", **place),
        row("2025-01-01T09:00:00.000Z", "Old one", "<pre>code\n  here</pre>", attachedFiles=["map.png"]),
        {"header": "Gemini", "title": "Used the app", "time": "2024-01-01T00:00:00Z"},
    ]


def grok() -> dict[str, Any]:
    def at(milliseconds: int) -> dict[str, Any]:
        return {"$date": {"$numberLong": str(milliseconds)}}

    asked = {"_id": "u", "message": "Stars?", "sender": "human", "create_time": at(1_767_225_600_000)}
    reply = {
        "_id": "a",
        "message": "Many.",
        "sender": "ASSISTANT",
        "model": "grok-4",
        "parent_response_id": "u",
    }
    responses = [{"response": asked}, {"response": reply | {"create_time": at(1_767_225_601_000)}}]
    conversation = {"id": "gr-1", "title": "Sky", "create_time": "2026-01-01T00:00:00Z"}
    return {"conversations": [{"conversation": conversation, "responses": responses}], "projects": []}


def aistudio() -> dict[str, Any]:
    return {
        "runSettings": {"model": "models/gemini-3-pro", "temperature": 0.5},
        "systemInstruction": {"parts": [{"text": "Be exact."}]},
        "chunkedPrompt": {
            "chunks": [
                {"text": "How far?", "role": "user", "driveImage": {"id": "img1"}},
                {"text": "Count.", "role": "model", "isThought": True},
                {"text": "Ten miles.", "role": "model", "finishReason": "STOP"},
            ]
        },
    }


def sharegpt() -> list[dict[str, Any]]:
    turns = [
        ("system", "Be calm."),
        ("human", "Call."),
        ("function_call", "{}"),
        ("observation", "ok"),
        ("gpt", "Done."),
    ]
    return [
        {"id": "x_0", "conversations": [{"from": who, "value": said} for who, said in turns]},
        {"id": "x_1", "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]},
    ]


def trl() -> list[dict[str, Any]]:
    """Lines of every kind that trainers read."""

    def said(role: str, words: str) -> dict[str, str]:
        return {"role": role, "content": words}

    ask, good, bad = said("user", "Which way?"), said("assistant", "South."), said("assistant", "North.")
    call = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"function": {"name": "look", "arguments": "{}"}}],
    }
    return [
        {"messages": [said("system", "Be brief."), ask, call, {**said("tool", "sea"), "name": "look"}, good]},
        {"prompt": "Which way?", "completion": "South."},
        {"prompt": [ask], "completion": [good], "label": True},
        {"prompt": [ask], "chosen": [good], "rejected": [bad]},
        {"chosen": [ask, good], "rejected": [ask, bad]},
    ]
