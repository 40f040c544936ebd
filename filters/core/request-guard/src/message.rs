//! The message of a request: its headers, then its body.

use agent_messages::{AgentCall, Batches, Limits, MessageHeaders, Protocol, Refusal};

use crate::headers::Headers;
use crate::journal::Journal;
use crate::rejection::Rejection;
use crate::server::Server;

/// The headers of the message, and no body that is announced too large.
pub(crate) fn read_message(
    server: &Server,
    headers: &Headers<'_>,
    max_body_bytes: usize,
) -> Result<MessageHeaders, Rejection> {
    // Filters that read messages are configured with servers that have some.
    let protocol = server.protocol.ok_or(Rejection::UnknownServer)?;
    let message = match protocol {
        Protocol::Mcp => MessageHeaders::read(protocol, headers.iter()),
        Protocol::A2a => MessageHeaders::of_agent(&server.endpoint, headers.iter()),
    };
    let message = message.map_err(Rejection::Message)?;
    // What is not held is not limited either.
    let held = message.content_length().filter(|_| !message.body_is_opaque());
    if held.is_some_and(|length| length > max_body_bytes) {
        return Err(Rejection::BodyTooLarge { limit: max_body_bytes });
    }
    Ok(message.admitting(&server.extra_methods))
}

pub(crate) fn parse_message(
    server: &Server,
    headers: &MessageHeaders,
    body: &[u8],
    limits: &Limits,
    batches: Batches,
    journal: &mut Journal,
) -> Result<AgentCall, Rejection> {
    let call = AgentCall::parse_with(headers, body, limits, batches).and_then(|call| {
        let mirrored = server.mirrored.check(headers, &call);
        mirrored.map_err(|error| Refusal { id: call.id().cloned(), error }).map(|()| call)
    });
    call.map_err(|Refusal { id, error }| {
        journal.facts.id = id;
        Rejection::Message(error)
    })
}
