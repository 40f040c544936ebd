"""A travel agent made with the official SDK (PyPI: a2a-sdk), in all three bindings.

Prints its ports; GET /received tells what it received in any of them; GET /go lets it finish what it streams.
"""

import asyncio
import json
import socket

import grpc
import uvicorn
from a2a.compat.v0_3 import a2a_v0_3_pb2_grpc
from a2a.compat.v0_3.grpc_handler import CompatGrpcHandler
from a2a.helpers.proto_helpers import new_task_from_user_message, new_text_part
from a2a.server.agent_execution import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.request_handlers.grpc_handler import GrpcHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes, create_rest_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import a2a_pb2 as a2a
from a2a.types import a2a_pb2_grpc
from starlette.applications import Starlette
from starlette.responses import JSONResponse

URL = "https://travel.agents.acme.example/"

CARD = a2a.AgentCard(
    name="travel",
    description="Books journeys",
    version="1",
    supported_interfaces=[
        a2a.AgentInterface(url=URL, protocol_binding=binding, protocol_version="1.0")
        for binding in ("JSONRPC", "HTTP+JSON", "GRPC")
    ],
    capabilities=a2a.AgentCapabilities(streaming=True, push_notifications=True),
    default_input_modes=["text/plain"],
    default_output_modes=["text/plain"],
    skills=[a2a.AgentSkill(id="book", name="book", description="Books journeys", tags=["travel"])],
)

received, go = [], asyncio.Event()


class Travel(AgentExecutor):
    async def execute(self, context, event_queue):
        task = context.current_task or new_task_from_user_message(context.message)
        await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        await updater.start_work()
        if "hotel" in context.get_user_input():
            # The caller has seen the beginning, or nothing more comes.
            await asyncio.wait_for(go.wait(), 20)
            go.clear()
        await updater.add_artifact([new_text_part("TP 571, Friday, 11:25")])
        await updater.complete()

    async def cancel(self, context, event_queue):
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()


class Recorder:
    """Remembers every request before the SDK sees it."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if scope["path"] == "/received":
            seen = received.copy()
            received.clear()
            return await JSONResponse(seen)(scope, receive, send)
        if scope["path"] == "/go":
            go.set()
            return await JSONResponse(True)(scope, receive, send)
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        received.append({"method": scope["method"], "path": scope["raw_path"].decode(), "headers": headers})
        await self.app(scope, receive, send)


class GrpcRecorder(grpc.aio.ServerInterceptor):
    async def intercept_service(self, continuation, details):
        headers = {name: value for name, value in details.invocation_metadata if isinstance(value, str)}
        received.append({"method": "gRPC", "path": details.method, "headers": headers})
        return await continuation(details)


async def main():
    handler = DefaultRequestHandler(agent_executor=Travel(), task_store=InMemoryTaskStore(), agent_card=CARD)
    routes = [
        *create_agent_card_routes(CARD),
        *create_jsonrpc_routes(handler, "/", enable_v0_3_compat=True),
        *create_rest_routes(handler, enable_v0_3_compat=True),
    ]
    server = grpc.aio.server(interceptors=[GrpcRecorder()])
    a2a_pb2_grpc.add_A2AServiceServicer_to_server(GrpcHandler(handler), server)
    a2a_v0_3_pb2_grpc.add_A2AServiceServicer_to_server(CompatGrpcHandler(handler), server)
    grpc_port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    print(json.dumps({"port": listener.getsockname()[1], "grpc_port": grpc_port}), flush=True)
    config = uvicorn.Config(Recorder(Starlette(routes=routes)), log_level="warning", lifespan="off")
    await uvicorn.Server(config).serve(sockets=[listener])


asyncio.run(main())
