//! End-to-end tests through a real Envoy: what is answered, and what each upstream received.
//!
//! The tests are in `tests/`, one file a question. Each starts a world of its own: identities, three MCP servers, and
//! an Envoy with the guard between them. What must hold for the guard holds for the chain of its stages too: such tests
//! run [`in_both_forms`].

mod agents;
mod alone;
mod chain;
mod clusters;
mod istio;

use anyhow::{Context, Result};
use testbed::Form;

pub use agents::{speak_grpc, with_bindings};
pub use alone::{alone, arrived, fill};
pub use chain::{CHAIN, arrange, passes_as_it_should, reasons, refused, route_without, routes, two_at_a_time};
pub use clusters::{cluster, eventually};
pub use istio::{IstioPlugin, manifest};

/// Runs a test with the guard, and with its stages each alone.
///
/// # Errors
/// The test's own, with the form in which it failed.
pub async fn in_both_forms(test: impl AsyncFn(Form) -> Result<()>) -> Result<()> {
    for form in Form::ALL {
        // A panic says nothing of the form.
        println!("with {}", form.file());
        test(form).await.with_context(|| form.file())?;
    }
    Ok(())
}
