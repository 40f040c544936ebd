//! What a request asks: for routes, other filters, access logs, and the stages behind it.

#![expect(missing_docs, reason = "the SDK's macro exports an undocumented entry point")]

use envoy_host::Root;
use proxy_wasm::traits::RootContext;
use request_guard::McpParser;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|id| -> Box<dyn RootContext> { Box::new(Root::<McpParser>::new(id)) });
}}
