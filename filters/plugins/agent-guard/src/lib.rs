//! All four stages in one VM: who calls, what is asked, whether policy allows it, and with which token it goes on.
//!
//! Only the wiring is here: read what the host has, hand it to the guard as an event, do what the guard says.
//! When the host fails, the stream is answered with an error or held; it never goes on.

#![expect(missing_docs, reason = "the SDK's macro exports an undocumented entry point")]

mod filter;
mod root;

use proxy_wasm::traits::RootContext;
use root::Root;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Root::default()) });
}}
