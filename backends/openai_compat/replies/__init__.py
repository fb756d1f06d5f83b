"""The answer of an endpoint, from bytes to events, without the network.

Read `reply` first: one reply from its chunks. Before it, `body` tells by the first byte what came, `sse`
splits a stream into its events, `held` keeps what is no whole event yet. Beside it, `chunks` (fields of one
chunk), `thoughts` (reasoning that comes apart), `media` (pictures and sound), `repeats` (text sent twice).
"""
