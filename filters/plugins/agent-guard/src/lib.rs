//! All four stages in one VM: who calls, what is asked, whether policy allows it, and with which token it goes on.

#![expect(missing_docs, reason = "the SDK's macro exports an undocumented entry point")]

use envoy_host::Root;
use proxy_wasm::traits::RootContext;
use request_guard::Guard;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|id| -> Box<dyn RootContext> { Box::new(Root::<Guard>::new(id)) });
}}
