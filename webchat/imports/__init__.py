"""Brings in conversations from other products' exports, and our own.

    file -> documents -> entries -> a reader per product -> a tree put right -> moderation -> the store

`archives` opens a file or a zip without trusting it, `entries` cuts its JSON into entries without holding it
in memory, `recognising` asks each reader of `readers` whether an entry is its own, `trees` puts right what it
read, `moderating` moderates its texts, and `importing` stores it.
"""

from webchat.imports.importing import Found, Importer
from webchat.imports.notes import SENTENCES, Unreadable, sentence
from webchat.imports.recognising import PRODUCTS, Problem, conversations_of

__all__ = [
    "PRODUCTS",
    "SENTENCES",
    "Found",
    "Importer",
    "Problem",
    "Unreadable",
    "conversations_of",
    "sentence",
]
