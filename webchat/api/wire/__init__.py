"""The bodies and answers of the HTTP API, as pydantic models: one module per resource.

Their names and fields are the contract. The OpenAPI document, the page's types and the API's page in `deploy`
are made from them by `make reference`. Nothing else of `webchat.api` is imported here. Read `base` first.
"""
