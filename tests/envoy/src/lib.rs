//! End-to-end tests through a real Envoy: what is answered, and what each upstream received.
//!
//! The tests are in `tests/`, one file a question. Each starts a world of its own: identities, three MCP servers, and
//! an Envoy with the guard between them.
