"""Who asks a model or writes a text into the store, in one table. A new place that does either fails here
until it is put through the pipeline."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.clean_environment import ROOT
from webchat.store import Store

# Who asks a model, or writes a text into the store, and by which rows that is covered.
CALLS = {
    ("api/routes.py", "stream"): "sends what the clock says",
    ("doctor/models.py", "stream"): "a few words of its own, at the terminal",
    ("doctor/network.py", "stream"): "a request of httpx",
    ("turns/generating/pipeline.py", "stream"): "prepare",
    ("turns/titles/making.py", "stream"): "prepare",
    ("moderation/kinds/guard.py", "stream"): "a guard reads what is judged; its answer goes nowhere",
    ("moderation/kinds/endpoint.py", "stream"): "a request of httpx",
    ("auth/oidc/requests.py", "stream"): "a request of httpx",
    ("api/v1/chat.py", "stream"): "a field of a body",
    ("api/v1/completions.py", "stream"): "a field of a body",
    ("api/v1/responses.py", "stream"): "a field of a body",
    ("api/v1/messages.py", "stream"): "a field of a body",
    ("bench/measure.py", "stream"): "the operator's own words on the operator's own machine",
    ("imports/importing.py", "import_conversation"): "moderated before (tests/imports/test_moderated.py)",
    ("imports/recognising.py", "stream"): "the bytes of a file",
    ("imports/background.py", "begin_file_import"): "the name of a file, which no model reads",
    ("imports/background.py", "change_file_import"): "numbers, and places in a file",
    ("turns/asking.py", "begin_turn"): "a message",
    ("turns/asking.py", "begin_comparison"): "a message",
    ("turns/asking.py", "begin_call"): "a call: tests/api/v1/test_chat.py",
    ("turns/asking.py", "continue_call"): "the same, of what it adds to an earlier one",
    ("turns/asking.py", "open_call"): "the same, of a long path",
    ("turns/asking.py", "add_to_call"): "the same, of a long path",
    ("turns/asking.py", "show_call"): "the same, of a long path",
    ("turns/asking.py", "write_batch"): "no text: the end of a call that broke off",
    ("api/judgements/comparisons.py", "vote_on"): "a comment on a vote",
    ("turns/inspecting/inspector.py", "keep_inspections"): "what `prepare` let through to a model",
    ("turns/generating/pipeline.py", "keep_media"): "data, shown only where the gate releases its name",
    ("turns/service.py", "write_batch"): "what the gate released",
    ("turns/titles/making.py", "update_conversation"): "a title by the model",
    ("api/conversations.py", "update_conversation"): "a title by hand",
    ("api/judgements/judgements.py", "judge"): "a better answer",
    ("commands/replay/choosing.py", "make_replay_set"): "an operator's own",
    ("console/replay/sets.py", "make_replay_set"): "an operator's own",
    ("commands/replay/choosing.py", "start_replay"): "an operator's own, and moderated with each turn",
    ("console/replay/sets.py", "start_replay"): "an operator's own, and moderated with each turn",
    ("api/judgements/queues.py", "make_queue"): "an operator's own",
    ("commands/replay/choosing.py", "judge_replays"): "an operator's own, and moderated with each turn",
    ("console/replay/sets.py", "judge_replays"): "an operator's own, and moderated with each turn",
    (
        "feedback/replay/running.py",
        "open_replay",
    ): "from another row, and moderated with each turn",
    ("console/feedback/reviewing.py", "make_queue"): "an operator's own",
    ("api/judgements/queues.py", "give_review"): "a reviewer's better answer",
    ("api/messages.py", "edit_reply"): "a reply edited by hand",
    ("api/templates/prompt_templates.py", "create_template"): "a new template",
    ("api/templates/prompt_templates.py", "change_template"): "a changed template",
    ("api/templates/model_templates.py", "change_chat_template"): "an operator's own",
    ("api/people/people.py", "rename_person"): "a person's own name, which no model reads",
    ("api/people/guests.py", "keep_answers"): "an answer to a link's question",
    ("api/sharing/shares.py", "change_share"): "a new title of a share",
    ("sharing/links.py", "change_link"): "an operator's own",
    ("commands/link.py", "change_link"): "an operator's own",
    ("auth/providers.py", "enter_person"): "a name from a provider, which no model reads",
    ("auth/proxy/proxied.py", "enter_person"): "a name from a proxy, which no model reads",
    ("auth/passwords/accounts.py", "add_person"): "a person's name, which no model reads",
    ("console/testers.py", "note_tester_chat"): "an operator's own note, which no model reads",
    ("sharing/shares.py", "create_share"): "what came in by another row, or its placeholders",
    ("api/sharing/shares.py", "copy_share"): "a share that somebody continues",
    ("commands/user.py", "add_person"): "a name from the command line, which no model reads",
    ("client/sync.py", "stream"): "a program's own request to a server, of httpx",
    ("client/sync.py", "judge"): "a program's own request to a server",
    ("client/aio.py", "judge"): "a program's own request to a server",
    ("client/aio.py", "stream"): "a program's own request to a server, of httpx",
    ("engine.py", "keep_placeholders"): "encrypted, and of texts that came in by another row",
    ("moderation/stored.py", "add_decisions"): "what was found, with no text",
    ("moderation/stored.py", "rewrite_stored"): "what rules made of a text (tests/test_moderate_command.py)",
    ("engine.py", "add_decisions"): "what was found, with the text only where the operator wants it",
}

# What of the store's verbs writes no text of a person or a model.
_NO_TEXT = """
set_operates set_password set_disabled renew_hash start_session touch_session end_session end_sessions
keep_login take_login trim_sessions
create_key touch_key revoke_key trim_keys
create_webhook set_webhook_disabled remove_webhook
claim_deliveries delivered not_delivered retry_deliveries trim_deliveries
keep_owner move_chats
consent add_handover take_handover trim_handovers expire_chats
end_share add_views
discard_calls erase_call
take_lease renew_lease release_lease end_lease end_lapsed_leases interrupt ask_to_end unfenced
activate call close go_on_with create_link create_owner delete_conversation delete_messages delete_template
delete_conversations remove_person
discard_all discard_conversation discard_messages in_turn interrupt_orphans local_owner
withdraw_judgement set_trains review_judgements undo_reviews review_votes
close_queue next_review take_back_review
cancel_replay retry_replay delete_replay_set begun_replay failed_replay end_replay vote_on_replay
open purge restore_conversation restore_messages restore_template revoke_link
model_servers revoke_operators slices transaction trim_decisions
forget_file_import trim_file_imports index_owed index_soon
"""
NO_TEXT = frozenset(_NO_TEXT.split())
_READS = """
usage_since probe
listed_links listed_link link_left link_changes consented answers link_answers handover
list_tester_chats search_tester_chats read_tester_chat tester_media link_names looks log_look
own_keys listed_key listed_keys key_holder living_keys
list_webhooks webhook due_webhooks event_data
people person find_person search_people count_person_chats password_of session sessions living_sessions
count_chats guests_with_replies movable_chats earlier_call
operators owns_anything chat_template_versions chat_templates conversation conversation_ids
decision_counts decisions export_conversation inspection journal link link_by_hash
list_conversations list_links list_templates list_trash media message newest_texts owner path placeholders
queues queue_verdicts assigned assigned_queue has_reviews listed_votes vote judgement_choices count_judgements
replay_sets replay_set replay_runs replay_run open_replays replays_to_do replay_items replay_votes
replay_judging replay_to_judge
judgements judgement judgement_counts own_judgement thumbs usable usable_comparisons
provenance ratings_by_link search template template_version template_versions thread turn_by_key
pack_inspection
comparison pair_votes vote_counts votes
branch list_shares share shared_messages shared_media
stored_places flagged_before
closing shared replicas orphans runs_elsewhere running_turns asked_to_end turns_elsewhere
import_known origin file_import list_file_imports unfinished_file_imports import_files
"""
READS = frozenset(_READS.split())


def test_every_text_is_looked_at_by_the_rules_of_its_owners_link() -> None:
    """Whoever makes a `Context` says which profile applies; moderation itself and trials have none."""
    without = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for room in ("api", "turns", "sharing", "console")
        for path in (ROOT / "webchat" / room).rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "Context"
        and "profile" not in [keyword.arg for keyword in call.keywords]
    ]
    assert [place.partition(":")[0] for place in without] == ["webchat/api/moderation.py"], without


def written(file: Path, names: frozenset[str]) -> Iterator[str]:
    """The verbs a file names, called or handed on."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr in names:
            yield node.attr


def test_whoever_asks_a_model_or_writes_a_text_is_in_the_table() -> None:
    verbs = {name for name in dir(Store) if not name.startswith("_")}
    assert verbs >= NO_TEXT | READS
    assert not NO_TEXT & READS
    watched = frozenset({"stream"} | (verbs - NO_TEXT - READS))
    house = ROOT / "webchat"
    found = {
        (str(file.relative_to(house)), verb)
        for file in house.rglob("*.py")
        if not file.is_relative_to(house / "store")
        for verb in written(file, watched)
    }
    assert found == CALLS.keys(), "a new way to a model or into the store: put it through the pipeline"


def test_models_are_asked_only_with_what_was_prepared() -> None:
    """The two who write for people take the request and the gate from one `prepare`."""
    for name in ("turns/generating/pipeline.py", "turns/titles/making.py"):
        text = (ROOT / "webchat" / name).read_text(encoding="utf-8")
        assert "self._gates.prepare(" in text
        assert CALLS[name, "stream"] == "prepare"
