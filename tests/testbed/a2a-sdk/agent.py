"""A travel agent made with the official SDK (PyPI: a2a-sdk). Prints its port; GET /received tells what it received."""

import asyncio
import json
import socket

import uvicorn
from a2a.helpers.proto_helpers import new_task_from_user_message, new_text_part
from a2a.server.agent_execution import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import a2a_pb2 as a2a
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

URL = "https://travel.agents.acme.example/"

CARD = a2a.AgentCard(
    name="travel",
    description="Books journeys",
    version="1",
    supported_interfaces=[a2a.AgentInterface(url=URL, protocol_binding="JSONRPC", protocol_version="1.0")],
    capabilities=a2a.AgentCapabilities(streaming=True, push_notifications=True),
    default_input_modes=["text/plain"],
    default_output_modes=["text/plain"],
    skills=[a2a.AgentSkill(id="book", name="book", description="Books journeys", tags=["travel"])],
)


class Travel(AgentExecutor):
    async def execute(self, context, event_queue):
        task = context.current_task or new_task_from_user_message(context.message)
        await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        await updater.start_work()
        await updater.add_artifact([new_text_part("TP 571, Friday, 11:25")])
        await updater.complete()

    async def cancel(self, context, event_queue):
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()


class Recorder:
    """Remembers every request before the SDK sees it."""

    def __init__(self, app):
        self.app, self.requests = app, []

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if scope["path"] == "/received":
            seen, self.requests = self.requests, []
            return await JSONResponse(seen)(scope, receive, send)
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        self.requests.append({"method": scope["method"], "path": scope["path"], "headers": headers})
        await self.app(scope, receive, send)


async def main():
    handler = DefaultRequestHandler(agent_executor=Travel(), task_store=InMemoryTaskStore(), agent_card=CARD)
    routes = [*create_agent_card_routes(CARD), *create_jsonrpc_routes(handler, "/", enable_v0_3_compat=True)]
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    config = uvicorn.Config(Recorder(Starlette(routes=routes)), log_level="warning", lifespan="off")
    await uvicorn.Server(config).serve(sockets=[listener])


asyncio.run(main())
