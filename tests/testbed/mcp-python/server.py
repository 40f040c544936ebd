"""An MCP server with the official SDK for Python: most of what the conformance suite asks for, in both families of
revisions. It has sessions for clients up to 2025-11-25, and streams that can be resumed.

server.py HOST...: answers for these hosts and this machine, and writes the port it listens on.
"""

import asyncio
import json
import logging
import socket
import sys
from base64 import b64decode
from typing import Annotated, Literal

import uvicorn
from mcp.server.mcpserver import Context, Elicit, ListRoots, MCPServer, Resolve, Sample, UserMessage
from mcp.server.streamable_http import EventMessage, EventStore
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import (
    AudioContent,
    Completion,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    EmbeddedResource,
    EmptyResult,
    ImageContent,
    InputRequiredResult,
    ListRootsResult,
    SamplingMessage,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
    UnsubscribeRequestParams,
)
from pydantic import BaseModel, Field

IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
SOUND = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="

server = MCPServer("python", version="1.0.0", log_level="ERROR")


class Events(EventStore):
    """What was sent on streams, so that a client can read on where it was cut off."""

    def __init__(self):
        self._all = []

    async def store_event(self, stream_id, message):
        self._all.append((stream_id, message))
        return str(len(self._all))

    async def replay_events_after(self, last_event_id, send_callback):
        last = int(last_event_id)
        if not 0 < last <= len(self._all):
            return None
        stream = self._all[last - 1][0]
        for number, (of, message) in enumerate(self._all[last:], last + 1):
            if of == stream and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream


def tool(function, name=None):
    """Offers a function; what it returns is content, whatever its annotations say."""
    name = name or function.__name__
    server.add_tool(function, name=name, description=name, structured_output=False)
    return function


def prompt(function):
    return server.prompt(description=function.__name__)(function)


def embedded(uri, mime_type, text):
    return EmbeddedResource(resource=TextResourceContents(uri=uri, mime_type=mime_type, text=text))


def image():
    return ImageContent(data=IMAGE, mime_type="image/png")


@tool
def test_simple_text() -> str:
    return "This is a simple text response for testing."


@tool
def test_image_content():
    return [image()]


@tool
def test_audio_content():
    return [AudioContent(data=SOUND, mime_type="audio/wav")]


@tool
def test_embedded_resource():
    return [embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")]


@tool
def test_multiple_content_types():
    mixed = embedded("test://mixed-content-resource", "application/json", '{"test": "data", "value": 123}')
    return [TextContent(text="Multiple content types test:"), image(), mixed]


@tool
def test_error_handling() -> str:
    raise RuntimeError("This tool intentionally returns an error for testing")


@tool
async def test_tool_with_progress(ctx: Context) -> str:
    for progress in (0, 50, 100):
        await ctx.report_progress(progress, 100)
        await asyncio.sleep(0.02)
    return "Done."


async def log(ctx: Context) -> str:
    for data in ("started", "processing", "completed"):
        await ctx.info(data)
        await asyncio.sleep(0.02)
    return "Logged."


for name in ("test_tool_with_logging", "test_logging_tool"):
    tool(log, name)


@tool
async def test_reconnection(ctx: Context) -> str:
    await ctx.close_sse_stream()
    await asyncio.sleep(0.1)
    return "The result, after the stream had been closed."


def question(text, max_tokens=100):
    return Sample([SamplingMessage(role="user", content=TextContent(text=text))], max_tokens=max_tokens)


def ask_prompt(prompt: str):
    return question(prompt)


@tool
async def test_sampling(prompt: str, answer: Annotated[CreateMessageResult, Resolve(ask_prompt)]) -> str:
    return f"LLM response: {answer.content.text}"


class Person(BaseModel):
    username: str
    email: str


class Defaults(BaseModel):
    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: Literal["active", "inactive", "pending"] = "active"
    verified: bool = True


@tool
async def test_elicitation(message: str, ctx: Context) -> str:
    answer = await ctx.elicit(message, Person)
    return f"User response: action={answer.action}"


@tool
async def test_elicitation_sep1034_defaults(ctx: Context) -> str:
    answer = await ctx.elicit("Please fill this in", Defaults)
    return f"Elicitation completed: action={answer.action}"


class Name(BaseModel):
    name: str


def ask_name():
    return Elicit("What is your name?", Name)


def ask_capital():
    return question("What is the capital of France?")


def ask_roots():
    return ListRoots()


@tool
async def test_streaming_elicitation(name: Annotated[Name, Resolve(ask_name)]) -> str:
    return f"Hello, {name.name}!"


@tool
async def test_input_required_result_sampling(answer: Annotated[CreateMessageResult, Resolve(ask_capital)]) -> str:
    return answer.content.text


@tool
async def test_missing_capability(answer: Annotated[CreateMessageResult, Resolve(ask_capital)]) -> str:
    return answer.content.text


@tool
async def test_input_required_result_list_roots(roots: Annotated[ListRootsResult, Resolve(ask_roots)]) -> str:
    return str(len(roots.roots))


@tool
async def test_input_required_result_elicitation(ctx: Context):
    answer = (ctx.input_responses or {}).get("user_name")
    if answer is not None:
        return f"Hello, {answer.content['name']}!"
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    params = ElicitRequestFormParams(message="What is your name?", requested_schema=schema)
    return InputRequiredResult(input_requests={"user_name": ElicitRequest(params=params)})


async def confirmed(ctx: Context):
    if ctx.request_state == "asked":
        return "state-ok"
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    params = ElicitRequestFormParams(message="Please confirm", requested_schema=schema)
    return InputRequiredResult(input_requests={"confirm": ElicitRequest(params=params)}, request_state="asked")


for name in ("test_input_required_result_request_state", "test_input_required_result_tampered_state"):
    tool(confirmed, name)


@tool
async def test_input_required_result_multiple_inputs(
    name: Annotated[Name, Resolve(ask_name)],
    answer: Annotated[CreateMessageResult, Resolve(ask_capital)],
    roots: Annotated[ListRootsResult, Resolve(ask_roots)],
) -> str:
    return f"{name.name}, {answer.content.text}, {len(roots.roots)}"


def ask_as_capable(ctx: Context):
    return ask_name() if ctx.client_capabilities.elicitation else question("Greet me")


@tool
async def test_input_required_result_capabilities(greeting: Annotated[CreateMessageResult, Resolve(ask_as_capable)]) -> str:
    return str(greeting)


@tool
async def test_trigger_tool_change(ctx: Context) -> str:
    await ctx.notify_tools_changed()
    return "Changed."


@tool
async def test_trigger_prompt_change(ctx: Context) -> str:
    await ctx.notify_prompts_changed()
    return "Changed."


@tool
def test_custom_headers(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]) -> str:
    return region


@prompt
def test_simple_prompt():
    return [UserMessage("This is a simple prompt for testing.")]


@prompt
def test_prompt_with_arguments(arg1: str, arg2: str):
    return [UserMessage(f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'")]


@prompt
def test_prompt_with_embedded_resource(resourceUri: str):
    text = "Please process the embedded resource above."
    return [UserMessage(embedded(resourceUri, "text/plain", "Embedded.")), UserMessage(text)]


@prompt
def test_prompt_with_image():
    return [UserMessage(image()), UserMessage("Please analyze the image above.")]


@server.resource("test://static-text", mime_type="text/plain")
def static_text() -> str:
    return "This is the content of the static text resource."


@server.resource("test://static-binary", mime_type="image/png")
def static_binary() -> bytes:
    return b64decode(IMAGE)


@server.resource("test://template/{id}/data", mime_type="application/json")
def template(id: str) -> str:
    return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


@server.completion()
async def complete(ref, argument, context):
    return Completion(values=[], total=0, has_more=False)


async def agree(ctx, params):
    return EmptyResult()


for method, params in (
    ("resources/subscribe", SubscribeRequestParams),
    ("resources/unsubscribe", UnsubscribeRequestParams),
    ("logging/setLevel", SetLevelRequestParams),
):
    # The server that others are made of takes handlers for anything; this one has no way to say so.
    server._lowlevel_server.add_request_handler(method, params, agree)


def main(hosts):
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    # Callers come by other ports too, or name none.
    local = [name + port for name in ("127.0.0.1", "localhost") for port in ("", ":*")]
    security = TransportSecuritySettings(
        allowed_hosts=[*local, *hosts], allowed_origins=[f"http://{host}" for host in [*local, *hosts]]
    )
    app = server.streamable_http_app(event_store=Events(), retry_interval=500, transport_security=security)
    # Every tool that fails, as some are meant to, would write a traceback.
    logging.disable()
    print(port, flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="critical")).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1:])
