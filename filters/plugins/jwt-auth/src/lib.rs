//! Which user calls, and with which smaller token the request goes on: loaded once for each, or once for both.

#![expect(missing_docs, reason = "the SDK's macro exports an undocumented entry point")]

use envoy_host::Root;
use proxy_wasm::traits::RootContext;
use request_guard::JwtAuth;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|id| -> Box<dyn RootContext> { Box::new(Root::<JwtAuth>::new(id)) });
}}
