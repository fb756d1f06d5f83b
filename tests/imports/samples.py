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
