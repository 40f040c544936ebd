//! Which workload calls: a verified SPIFFE ID for upstreams and for the stages behind it.

#![expect(missing_docs, reason = "the SDK's macro exports an undocumented entry point")]

use envoy_host::Root;
use proxy_wasm::traits::RootContext;
use request_guard::SpiffeIdentity;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|id| -> Box<dyn RootContext> { Box::new(Root::<SpiffeIdentity>::new(id)) });
}}
