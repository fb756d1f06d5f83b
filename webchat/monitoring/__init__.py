"""How the server does, in numbers: what `/metrics`, traces and the console's *Health* tab show.

`live` counts what this process does, `exposition` and `tracing` say it to other programs under the names in
`names`, `sampling` keeps an hour of it for the console. No person and no text is in any of it.
"""
