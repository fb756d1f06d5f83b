"""The answer of an endpoint, from bytes to events, without the network.

Read `reply` first: one reply from its chunks. Before it, `body` detects the format from the first byte, `sse`
splits a stream into events, `held` buffers incomplete events. Alongside it: `chunks` (fields of one chunk),
`thoughts` (separate reasoning), `media` (pictures and sound), `repeats` (text sent twice).
"""
