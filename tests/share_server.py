"""A stand-in for Gradio's tunnel program and share server in one, run in place of frpc: it takes the same
arguments, says the same line, and passes requests on with the headers that the share server and the load
balancer in front of it add. `login to server failed` is what it says of the port 9."""

from __future__ import annotations

import argparse
import asyncio
import sys

PUBLIC = "https://0123456789.gradio.live"
VISITOR = "203.0.113.7"
"""The address from which the load balancer sees every visitor come."""
BALANCER = "10.0.3.4"


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["http"])
    for flag in ("-n", "-l", "-i", "--sd", "--server_addr"):
        parser.add_argument(flag, required=True)
    for flag in ("--uc", "--ue", "--disable_log_color"):
        parser.add_argument(flag, action="store_true", required=True)
    options = parser.parse_args()
    host, _, port = options.server_addr.rpartition(":")
    if port == "9" or len(options.n) < 20:
        print("[W] login to server failed: connection refused", flush=True)
        return

    async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = [line for line in head[:-4].split(b"\r\n") if not line.lower().startswith(b"connection:")]
        given = [line for line in lines if line.lower().startswith(b"x-forwarded-for:")]
        hops = [*(line.partition(b":")[2].strip() for line in given), VISITOR.encode(), BALANCER.encode()]
        lines = [line for line in lines if line not in given]
        lines += [b"X-Forwarded-For: " + b", ".join(hops), b"X-Forwarded-Proto: https", b"Connection: close"]
        back, forth = await asyncio.open_connection(options.i, int(options.l))
        forth.write(b"\r\n".join(lines) + b"\r\n\r\n")
        await asyncio.gather(pipe(reader, forth), pipe(back, writer), return_exceptions=True)

    server = await asyncio.start_server(visit, host, int(port))
    print(f"[I] [proxy] start proxy success: {PUBLIC}", flush=True)
    print("x" * 200_000, flush=True)  # what nobody read would block it
    async with server:
        await server.serve_forever()


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
