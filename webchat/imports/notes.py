"""What is told to the person who imports: sentences by their codes. The page has them in its languages."""

from __future__ import annotations

from webchat.store.import_records import Note

SENTENCES = {
    "bad_role": "A message has the unknown role “{role}”.",
    "breaks_off": "The rest of the file cannot be read: it breaks off here.",
    "circles": "Some messages formed a loop and became a separate branch.",
    "content_kind": "Content of the kind “{kind}” is kept as text only.",
    "first_messages": "Only the first {count} messages are imported.",
    "gzip": "The file is compressed with gzip. Unpack it first, then import its contents.",
    "links": "The file only contains links to the export. Download the linked files, then import those.",
    "lost_parents": "Some messages follow missing ones and became separate branches.",
    "media_missing": "Pictures and sounds that are not in the file: {count}.",
    "no_export": "The file is neither a zip nor JSON, so it can't be imported.",
    "no_messages": "It has no messages.",
    "not_json": "It is not valid JSON.",
    "other_archive": "The archive is not a zip. Unpack it first, then import its contents.",
    "rest_not_json": "The rest of the file cannot be read: it is not JSON.",
    "rest_too_large": "Only the first {count} entries are imported: this file's entries belong together, and "
    "there are too many. Import the others in a separate file.",
    "same_ids": "Some messages had the same ID and were given new ones.",
    "server_ended": "The server stopped twice while reading this file, so it won't try again. "
    "Import the file in smaller parts, or contact the administrator.",
    "text_cut": "A text was cut to {count} characters.",
    "text_too_long": "The rest of the file cannot be read: a text in it is longer than {mb} MB.",
    "too_deep": "It is nested too deeply.",
    "too_large": "It is larger than {mb} MB.",
    "too_many_files": "The zip has more than {count} files.",
    "too_many_parts": "It has too many parts.",
    "too_much": "The file is larger than {gb} GB unpacked.",
    "unknown": "It is not a conversation of a known product.",
    "unreadable": "Its {part} cannot be read.",
    "web_page": "The file is a web page. Import the JSON of the same export, or the whole zip.",
    "zip_bomb": "The zip unpacks to far more than any export does.",
    "zip_damaged": "The zip is damaged.",
    "zip_locked": "The zip is password-protected. Unpack it first, then import its contents.",
    "zip_packed": "The zip uses an unusual compression method. Unpack it first, then import its contents.",
}


def sentence(note: Note) -> str:
    """In English."""
    return SENTENCES[note.code].format(**note.params)


class Noted(Exception):
    """An error with a note for the person who imports."""

    def __init__(self, code: str, **params: str | int) -> None:
        self.note = Note(code, params)
        super().__init__(sentence(self.note))


class BadEntry(Noted):
    """An entry that cannot be imported."""


class Unreadable(Noted):
    """A file that cannot be imported at all."""
