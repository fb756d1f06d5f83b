"""What is asked of a database about conversations, a file a subject; `webchat.store.Store` is the
sum of all.

Read `tree` first: how messages hang together, and what of them an owner may see. Then `turns`, which every
reply goes through.
"""
