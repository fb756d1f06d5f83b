"""What models were sent, kept so that it can be read later.

inspector  keeps it, beside the replies: read this first
sent       what a backend says it sent, as a record
snippets   the same request outside of webchat
"""
