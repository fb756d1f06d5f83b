"""The APIs that other programs already speak, under `/v1`: OpenAI's and Anthropic's.

Each face (`chat`, `completions`, `responses`, `messages`) is a parser, from a body to the one `Call`, and a
writer, from the events of its reply to the face's own words. Between them is one `Runner`: a call is a turn
like those of the page, through `webchat.turns`. `edge` gives errors the form that the client expects, those
of the door too.
"""
