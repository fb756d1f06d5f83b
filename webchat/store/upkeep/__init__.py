"""Work on much that is stored, beside the writer and slice by slice, so that no reply waits for it. Read
`purge` first.

purge     ending for good what was deleted
indexing  putting words that are owed into the search index
moving    handing one owner's chats to another
"""
