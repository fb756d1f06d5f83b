"""The production of replies, the same for every kind of request.

pipeline   model, prompt, gate, journal, end: read this first
outcome    what a reply was made with and how it ended, as it is stored
allowance  ends a reply at the tokens that are reserved for it
paths      the stored messages of prompts, cached
"""
