"""What an endpoint refuses: read, told to people, and found out by trying.

Read `refusal` first: what a server said, whatever it is wrapped in. `errors` makes our errors of it
(`loading`: a model that is still being loaded), `causes` tells whether leaving something out can help.
`variants` is what a request can do without, `negotiation` the search for what an endpoint does not take, as
pure values, and `terms` what one model takes: remembered, and found out by one request at a time.
"""
