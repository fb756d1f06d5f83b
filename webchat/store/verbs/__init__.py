"""What is asked of a database, a file a subject; `webchat.store.Store` is their sum. Read `tree` first: how
messages hang together, and what of them an owner may see. Then `turns`, which every reply goes through.
"""
