"""One reader per product: a pure function from an entry to a conversation, `None` for an entry of another
product.

A reader believes nothing: fields may be missing, null, or of any type. It keeps ids, times, branches, model
names and reasoning; what has no place becomes details. `trees` puts the rest right.
"""
