"""webchat as an MCP server: programs that speak MCP list, search and read a person's own conversations and
templates, and ask models, at `/mcp`, with the same keys as everywhere.

`answers` is what the tools take and give, `tools` what they do, `serving` the protocol, by the package `mcp`
(extra `mcp`), which is imported by the first request.
"""

from webchat.mcp.serving import PATH, Mcp

__all__ = ["PATH", "Mcp"]
