"""The Markdown of messages, rendered on the server for readers without JavaScript.

Each module follows the page's module of the same purpose (`webchat/ui/assets/conversation`), rule by rule:
markdown-it-py is a port of markdown-it, so the same rules read the same text. `tests/ui/test_shared_text.py`
compares what both make of a corpus; a rule that changes there changes here.

    parser          assembles the rules, and the house's own elements; `render` is the way in
    addresses       bare addresses
    emphasis        emphasis beside scripts without spaces, names in programs
    formulas, tex   formulas, and what only looks like one
    fences          code, with fences inside Markdown code
    details         <details>, and blocks nested too deep
    definitions     notes and named links
    tables          pipes within code and formulas of a table
    tags            <br>, <b> and the like
    sanitize        the last step before anything enters a page
"""
