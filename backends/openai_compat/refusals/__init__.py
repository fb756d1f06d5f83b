"""What an endpoint rejects: parsed, explained to people, and detected by trying.

Read `refusal` first: what a server said, however it is wrapped. `errors` turns it into our errors (`loading`:
a model that is still loading), `causes` decides whether leaving something out can help. `variants` lists what
a request can do without, `negotiation` searches for what an endpoint does not accept, as pure values, and
`terms` remembers what one model accepts, detected by one request at a time.
"""
