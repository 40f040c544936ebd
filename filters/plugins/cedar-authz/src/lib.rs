//! Whether policy allows what the stages before it found.

#![expect(missing_docs, reason = "the SDK's macro exports an undocumented entry point")]

use envoy_host::Root;
use proxy_wasm::traits::RootContext;
use request_guard::CedarAuthz;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|id| -> Box<dyn RootContext> { Box::new(Root::<CedarAuthz>::new(id)) });
}}
