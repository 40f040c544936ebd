//! The filters: the guard that does everything, and each of its stages alone.

pub(crate) mod agent_guard;
pub(crate) mod cedar_authz;
pub(crate) mod jwt_auth;
pub(crate) mod mcp_parser;
pub(crate) mod spiffe_identity;
