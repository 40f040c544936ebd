"""A caller made with the official SDK for Python. It lists, calls, reads and gets a prompt, tries what is denied, and
writes what came of it as JSON. The token comes on standard input.

ask.py legacy|modern URL
"""

import asyncio
import json
import sys

import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client


async def refused(call):
    try:
        await call
        return "allowed"
    except Exception as error:
        code = getattr(getattr(error, "error", None), "code", None)
        return {"error": type(error).__name__, "status": code, "message": str(error)}


async def main(kind, url):
    headers = {"authorization": f"Bearer {sys.stdin.read()}"}
    async with httpx2.AsyncClient(headers=headers) as http:
        mode = "2026-07-28" if kind == "modern" else "legacy"
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            told = {
                "tools": [tool.name for tool in (await client.list_tools()).tools],
                "prompts": [prompt.name for prompt in (await client.list_prompts()).prompts],
                "resources": [str(resource.uri) for resource in (await client.list_resources()).resources],
                "called": (await client.call_tool("test_simple_text", {})).content[0].text,
                "read": (await client.read_resource("test://static-text")).contents[0].text,
                "prompt": (await client.get_prompt("test_simple_prompt")).messages[0].content.text,
                "denied": await refused(client.call_tool("test_error_handling", {})),
                "deniedResource": await refused(client.read_resource("test://static-binary")),
                "deniedPrompt": await refused(client.get_prompt("test_prompt_with_image")),
                "scoped": await refused(client.call_tool("test_image_content", {})),
                "again": (await client.call_tool("test_simple_text", {})).content[0].text,
            }
    print(json.dumps(told))


asyncio.run(main(*sys.argv[1:]))
