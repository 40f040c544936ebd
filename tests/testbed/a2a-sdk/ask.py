"""A planner made with the official SDK's client: `ask.py PORT CERTIFICATES AGENT`, the user's token on standard input.

Asks the travel agent and payroll through the gateway at PORT, over mTLS, in each binding, and prints what came of it as
JSON. AGENT is the travel agent's own address: a stream goes on there once its beginning has come through.
"""

import asyncio
import json
import ssl
import sys
from pathlib import Path

import grpc
import httpx
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.client.client import ClientCallContext
from a2a.helpers.proto_helpers import get_artifact_text, new_text_message
from a2a.types import a2a_pb2 as a2a

TRAVEL, PAYROLL = "travel.agents.acme.example", "payroll.agents.acme.example"
PORT, FOLDER, AGENT = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
TOKEN = sys.stdin.read().strip()


class ThroughGateway(httpx.AsyncHTTPTransport):
    """Connects to the gateway whatever the host, as DNS would have it."""

    async def handle_async_request(self, request):
        request.extensions["sni_hostname"] = request.url.host
        request.url = request.url.copy_with(host="127.0.0.1", port=PORT)
        return await super().handle_async_request(request)


def channel(url):
    host = httpx.URL(url).host
    files = ("acme.example.pem", "planner.key", "planner.pem")
    credentials = grpc.ssl_channel_credentials(*((FOLDER / file).read_bytes() for file in files))
    options = [("grpc.ssl_target_name_override", host), ("grpc.default_authority", host)]
    return grpc.aio.secure_channel(f"127.0.0.1:{PORT}", credentials, options)


def message(text):
    return a2a.SendMessageRequest(message=new_text_message(text, role=a2a.ROLE_USER))


async def outcome(call):
    try:
        await call
        return "allowed"
    except Exception as error:
        return type(error).__name__, str(error)


async def first(events):
    return [event async for event in events]


async def started(events):
    """Lets the agent go on when its first event is here: only what is not held on the way comes to an end."""
    seen = []
    async for event in events:
        if not seen:
            async with httpx.AsyncClient() as direct:
                await direct.get(f"http://{AGENT}/go")
        seen.append(event)
    return seen


def card(host, binding, version):
    interface = a2a.AgentInterface(url=f"https://{host}/", protocol_binding=binding, protocol_version=version)
    return a2a.AgentCard(
        name=host, version="1", supported_interfaces=[interface], capabilities=a2a.AgentCapabilities(streaming=True)
    )


async def asked(http, binding, version="1.0"):
    # In gRPC there is no client to which the token could be given once.
    context = ClientCallContext(service_parameters={"authorization": f"Bearer {TOKEN}"}) if binding == "GRPC" else None

    def client(host, streaming):
        config = ClientConfig(
            streaming=streaming,
            httpx_client=http,
            grpc_channel_factory=channel,
            supported_protocol_bindings=[binding],
        )
        return ClientFactory(config).create(card(host, binding, version))

    travel, payroll = (client(host, False) for host in (TRAVEL, PAYROLL))
    [answer] = await first(travel.send_message(message("A flight to Lisbon"), context=context))
    events = await started(client(TRAVEL, True).send_message(message("A hotel in Lisbon"), context=context))
    task = await travel.get_task(a2a.GetTaskRequest(id=answer.task.id), context=context)
    abroad = message("A flight to Lisbon")
    abroad.configuration.task_push_notification_config.url = "https://evil.example/hook"
    listing = a2a.ListTasksRequest(context_id=answer.task.context_id)
    cancel = travel.cancel_task(a2a.CancelTaskRequest(id=answer.task.id), context=context)
    return {
        "answer": get_artifact_text(answer.task.artifacts[0]),
        "events": [event.WhichOneof("payload") for event in events],
        "same_task": task.id == answer.task.id,
        "cancel": await outcome(cancel),
        "list": await outcome(travel.list_tasks(listing, context=context)) if version == "1.0" else "not in 0.3",
        "missing": await outcome(travel.get_task(a2a.GetTaskRequest(id="T-none"), context=context)),
        "notify_abroad": await outcome(first(travel.send_message(abroad, context=context))),
        "payroll_task": await outcome(payroll.get_task(a2a.GetTaskRequest(id="T-salary"), context=context)),
        "payroll": await outcome(first(payroll.send_message(message("What does Bob earn?"), context=context))),
        "still_usable": await outcome(first(travel.send_message(message("A flight to Porto"), context=context))),
    }


async def main():
    tls = ssl.create_default_context(cafile=FOLDER / "acme.example.pem")
    tls.load_cert_chain(FOLDER / "planner.pem", FOLDER / "planner.key")
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(transport=ThroughGateway(verify=tls), headers=headers, timeout=30) as http:
        cards = [await A2ACardResolver(http, f"https://{host}").get_agent_card() for host in (TRAVEL, PAYROLL)]
        told = {"cards": [card.name for card in cards]}
        for binding in ("JSONRPC", "HTTP+JSON", "GRPC"):
            told[binding] = await asked(http, binding)
        for binding in ("HTTP+JSON", "GRPC"):
            told[f"{binding} 0.3"] = await asked(http, binding, "0.3")
    print(json.dumps(told))


asyncio.run(main())
