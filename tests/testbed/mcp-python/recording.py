"""An MCP server with the official SDK for Python that executes whatever it is asked, and remembers what that was:
`GET /executed` gives it, and forgets it.

recording.py: writes the port it listens on.
"""

import math
import socket

import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import (
    CallToolResult,
    GetPromptResult,
    ListToolsResult,
    ReadResourceResult,
    TextContent,
    TextResourceContents,
    Tool,
)
from starlette.responses import JSONResponse

executed = []


def did(method, target, arguments=None):
    executed.append({"method": method, "target": target, "arguments": arguments or {}})


async def list_tools(ctx, params):
    return ListToolsResult(tools=[Tool(name=name, input_schema={"type": "object"}) for name in ("add", "delete_all")])


async def call_tool(ctx, params):
    did("tools/call", params.name, params.arguments)
    return CallToolResult(content=[TextContent(text="done")])


async def get_prompt(ctx, params):
    did("prompts/get", params.name, params.arguments)
    return GetPromptResult(messages=[])


async def read_resource(ctx, params):
    did("resources/read", str(params.uri))
    return ReadResourceResult(contents=[TextResourceContents(uri=params.uri, text="text")])


server = Server(
    "recording",
    version="1.0.0",
    on_list_tools=list_tools,
    on_call_tool=call_tool,
    on_get_prompt=get_prompt,
    on_read_resource=read_resource,
)
app = server.streamable_http_app(
    stateless_http=True,
    json_response=True,
    transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
)


def readable(value):
    """What others can read too: no infinite numbers, and no halves of surrogate pairs."""
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case str():
            return value.encode("utf-8", "replace").decode()
        case list():
            return [readable(element) for element in value]
        case dict():
            return {readable(name): readable(member) for name, member in value.items()}
    return value


async def tell(request):
    told = JSONResponse(readable(executed))
    executed.clear()
    return told


app.add_route("/executed", tell)

listener = socket.socket()
listener.bind(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="critical")).run(sockets=[listener])
