"""The names that other programs know the numbers by, in one place: OpenTelemetry's for generative AI are not
stable yet, and moved twice.

Source: semantic-conventions-genai v0.1.0, docs/gen-ai/client-inference.md, status "Development". Prometheus
has no dots, and names the unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CONVENTIONS = "semantic-conventions-genai v0.1.0"

# Attributes of spans; of metrics with underscores.
OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHED_TOKENS = "gen_ai.usage.cache_read.input_tokens"
ERROR = "error.type"
CHAT = "chat"
"""The operation."""

TURN_ID, TURN_STATE, TURN_PART = "webchat.turn.id", "webchat.turn.state", "webchat.turn.part"

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """otel: its name in the conventions; empty for one of webchat's own. labels: all of them are bounded."""

    name: str
    kind: Kind
    about: str
    labels: tuple[str, ...] = ()
    otel: str = ""


def label(attribute: str) -> str:
    """An attribute's name as a label."""
    return attribute.replace(".", "_")


_MODEL = (label(OPERATION), label(PROVIDER), label(REQUEST_MODEL))

DURATION = Metric(
    "gen_ai_client_inference_duration_seconds",
    "histogram",
    "From a message to the end of its reply, the queue included.",
    (*_MODEL, label(ERROR)),
    "gen_ai.client.inference.duration",
)
FIRST_CHUNK = Metric(
    "gen_ai_client_inference_time_to_first_chunk_seconds",
    "histogram",
    "From a message to the first token of its reply, the queue included.",
    _MODEL,
    "gen_ai.client.inference.time_to_first_chunk",
)
PER_CHUNK = Metric(
    "gen_ai_client_inference_time_per_output_chunk_seconds",
    "histogram",
    "Between two pieces of a reply, as they come from the model; a piece is usually a token.",
    _MODEL,
    "gen_ai.client.inference.time_per_output_chunk",
)
INPUT = Metric(
    "gen_ai_client_inference_usage_input_tokens_total",
    "counter",
    "Prompt tokens, as models report them.",
    _MODEL,
    "gen_ai.client.inference.usage.input_tokens",
)
OUTPUT = Metric(
    "gen_ai_client_inference_usage_output_tokens_total",
    "counter",
    "Completion tokens, as models report them.",
    _MODEL,
    "gen_ai.client.inference.usage.output_tokens",
)
CACHED = Metric(
    "gen_ai_client_inference_usage_cache_read_input_tokens_total",
    "counter",
    "Prompt tokens that models had in a cache.",
    _MODEL,
    "gen_ai.client.inference.usage.cache_read.input_tokens",
)
TURNS = Metric(
    "webchat_turns_total", "counter", "Replies that have ended, by how they ended.", ("model", "state")
)
ERRORS = Metric("webchat_turn_errors_total", "counter", "Replies that failed, by why.", ("model", "code"))
QUEUE = Metric("webchat_turn_queue_seconds", "histogram", "Time a reply waited for a slot.", ("model",))
RUNNING = Metric("webchat_turns_running", "gauge", "Replies being written now.", ("model",))
QUEUED = Metric("webchat_turns_queued", "gauge", "Replies waiting now.", ("model",))
MODEL_UP = Metric(
    "webchat_model_up", "gauge", "0 for a model or endpoint that failed when it was last asked.", ("model",)
)
READY = Metric("webchat_ready", "gauge", "1 while the server accepts messages.")
LAG = Metric("webchat_event_loop_lag_seconds", "gauge", "The event loop's longest delay in the last sample.")
DISK = Metric("webchat_disk_free_bytes", "gauge", "Free space where the data is.")
DATABASE = Metric("webchat_database_bytes", "gauge", "Size of the database's file; none for PostgreSQL.")
BACKUP = Metric("webchat_backup_age_seconds", "gauge", "Age of the newest backup or snapshot, if any.")
DROPPED = Metric("webchat_moderation_log_dropped_total", "counter", "Decisions that the log lost.")
INFO = Metric("webchat_info", "gauge", "Always 1.", ("version",))

METRICS = (
    DURATION,
    FIRST_CHUNK,
    PER_CHUNK,
    INPUT,
    OUTPUT,
    CACHED,
    TURNS,
    ERRORS,
    QUEUE,
    RUNNING,
    QUEUED,
    MODEL_UP,
    READY,
    LAG,
    DISK,
    DATABASE,
    BACKUP,
    DROPPED,
    INFO,
)
