"""Pages of other packages, beside the chat: each a `gr.Blocks` at `/pages/<name>`, for people with a role.

    from webchat.pages import Page, PageServices

    def create(services: PageServices) -> gr.Blocks: ...

    page = Page("ratings", {"en": "Ratings", "zh-CN": "评分"}, create, role="operator")

A package names it in the entry point group `webchat.pages`; a program gives it to `webchat.launch` or
`webchat.create`. `deploy/examples/pages` is an example.
"""

from webchat.pages.page import Page
from webchat.pages.services import Chat, Message, PageServices, Ratings, Reply, Visitor

__all__ = ["Chat", "Message", "Page", "PageServices", "Ratings", "Reply", "Visitor"]
