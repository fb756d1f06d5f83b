"""Finding conversations by their words.

likeness    letters that count as the same: case, accents, width
words       what is indexed of a text, and what a query asks for
index       the tables of words, kept in the transaction that changes a text
verbs       the search itself
"""
