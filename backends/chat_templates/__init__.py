"""Chat templates, from a person or a model: `rendering` has them rendered in processes that can be killed,
`jinja` is what runs there.
"""
