"""Verbs of the people who judge replies: one judgement for each person and reply."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from webchat.store.database.codec import clean, new_id, now
from webchat.store.database.tables.conversations import JournalRow, TurnRow
from webchat.store.database.tables.judgements import JudgementReasonRow, JudgementRow
from webchat.store.database.tables.links import ConsentRow
from webchat.store.database.tables.people import PersonRow
from webchat.store.database.transactions import Database, reads, writes
from webchat.store.errors import ConsentNeeded, NotFound
from webchat.store.events import tell_webhooks
from webchat.store.judgement_records import Consent, Judgement, JudgementChange
from webchat.store.judgements.rows import dump_answers, judgements_query, load_judgement
from webchat.store.links.owners import read_owner
from webchat.store.verbs.compared import check_uncompared
from webchat.store.verbs.tree import own_message

MOST_REASONS = 20

_SAID = ("rating", "reasons", "comment", "answers", "better")


class JudgingVerbs(Database):
    """Judging, also while a reply is being written."""

    @writes
    def judge(
        self, connection: Connection, owner: str, message_id: str, change: JudgementChange
    ) -> Judgement | None:
        """Keep what a person says of a reply; `None` once they have said nothing, or taken it all back.
        A judgement that changes has to be reviewed again. Raises NotFound, ConsentNeeded as for their turns,
        and ComparisonOpen: what is kept of a reply would tell how much of it is written, and by which
        model."""
        message = own_message(connection, owner, message_id, lock=True)
        if message.role == "user":
            raise NotFound("reply")
        check_uncompared(connection, message_id)
        mine = (JudgementRow.message_id == message_id, JudgementRow.owner_id == owner)
        kept = connection.execute(select(*JudgementRow.__table__.columns).where(*mine)).first()
        said = _said(kept, change)
        if not any(said.values()):
            connection.execute(delete(JudgementRow).where(*mine))
            return None
        if kept is None or any(getattr(kept, name) != said[name] for name in _SAID):
            self._keep_judgement(connection, owner, message, kept, said, change.seq)
        row = connection.execute(judgements_query().where(*mine)).one()
        return load_judgement(row)

    def _keep_judgement(
        self,
        connection: Connection,
        owner: str,
        message: Row[Any],
        kept: Row[Any] | None,
        said: dict[str, Any],
        seen: int | None,
    ) -> None:
        moment = now()
        values = {
            **said,
            **judged_by(connection, owner),
            **_of(connection, message.id, seen),
            "changed_at": moment,
            "corrects": bool(said["better"]),
            "review": "new",
            "reviewed_by": None,
            "reviewed_at": None,
            "review_better": "",
        }
        if kept is None:
            id, at = new_id(), moment
            made = {
                "id": id,
                "message_id": message.id,
                "owner_id": owner,
                "at": at,
                "day": at.date().isoformat(),
            }
            connection.execute(insert(JudgementRow).values(**made, **values))
        else:
            id, at = kept.id, kept.at
            connection.execute(update(JudgementRow).where(JudgementRow.id == id).values(values))
        _keep_reasons(connection, id, at, said["reasons"])
        tell_webhooks(connection, "judgement.saved", [id], moment)

    @writes
    def withdraw_judgement(self, connection: Connection, owner: str, message_id: str) -> None:
        """Delete what a person said of a reply, if anything. Raises NotFound."""
        own_message(connection, owner, message_id, lock=True)
        connection.execute(
            delete(JudgementRow).where(JudgementRow.message_id == message_id, JudgementRow.owner_id == owner)
        )

    @reads
    def own_judgement(self, connection: Connection, owner: str, message_id: str) -> Judgement | None:
        """What a person said of a reply, without its snapshot. Raises NotFound."""
        own_message(connection, owner, message_id)
        mine = (JudgementRow.message_id == message_id, JudgementRow.owner_id == owner)
        row = connection.execute(judgements_query().where(*mine)).first()
        return None if row is None else load_judgement(row)

    @writes
    def set_trains(self, connection: Connection, owner: str, trains: bool) -> None:
        """Whether a person who signs in lets their judgements train models. Raises NotFound."""
        those = update(PersonRow).where(PersonRow.owner_id == owner)
        if not connection.execute(those.values(trains=trains)).rowcount:
            raise NotFound("person")


def _said(kept: Row[Any] | None, change: JudgementChange) -> dict[str, Any]:
    """All that a person says now, as it is stored."""
    said: dict[str, Any] = {"rating": 0, "reasons": [], "comment": "", "answers": [], "better": ""}
    if kept is not None:
        said = {name: getattr(kept, name) for name in _SAID}
    if change.rating is not None and change.rating != said["rating"]:
        said |= {"rating": change.rating, "reasons": []}
    if change.reasons is not None:
        said["reasons"] = [clean(reason) for reason in dict.fromkeys(change.reasons)][:MOST_REASONS]
    if change.comment is not None:
        said["comment"] = clean(change.comment).strip()
    if change.answers is not None:
        answers = {one["question"]["id"]: one for one in (*said["answers"], *dump_answers(change.answers))}
        said["answers"] = [one for one in answers.values() if one["value"] != ""]
    if change.better is not None:
        said["better"] = clean(change.better) if change.better.strip() else ""
    return said


def judged_by(connection: Connection, owner_id: str) -> dict[str, Any]:
    """By which link they judge, and what they accepted. Raises ConsentNeeded."""
    owner = read_owner(connection, owner_id)
    if owner.kind != "guest":
        return {"link_id": None, "consent": None, "covers": False}
    terms = owner.terms
    consent = None
    if terms.consent:
        found = select(ConsentRow.text).where(
            ConsentRow.owner_id == owner_id, ConsentRow.version == terms.consent_version
        )
        text = connection.scalar(found)
        if text is None:
            raise ConsentNeeded
        consent = Consent(terms.consent_version, text, terms.training)
    return {
        "link_id": owner.link_id,
        "consent": None if consent is None else asdict(consent),
        "covers": consent is not None and consent.covers,
    }


def _of(connection: Connection, message_id: str, seen: int | None) -> dict[str, Any]:
    """What is judged; of a reply that is being written, how much of it."""
    columns = (TurnRow.model, TurnRow.template, TurnRow.finished_at)
    turn = connection.execute(select(*columns).where(TurnRow.message_id == message_id)).first()
    if turn is None:
        return {"model": "", "template": "", "seq": None}
    seq = None
    if turn.finished_at is None:
        last = select(func.max(JournalRow.seq)).where(JournalRow.message_id == message_id)
        written = connection.scalar(last) or 0
        seq = written if seen is None else min(seen, written)
    return {"model": turn.model or "", "template": turn.template or "", "seq": seq}


def _keep_reasons(connection: Connection, id: str, at: datetime, reasons: list[str]) -> None:
    connection.execute(delete(JudgementReasonRow).where(JudgementReasonRow.judgement_id == id))
    if reasons:
        rows = [{"judgement_id": id, "reason": reason, "at": at} for reason in reasons]
        connection.execute(insert(JudgementReasonRow), rows)
