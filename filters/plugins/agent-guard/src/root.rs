//! One configuration of the filter.

use std::rc::Rc;

use envoy_host::{Level, Metrics, log, plugin_configuration};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;
use request_guard::Guard;

use crate::filter::Filter;

/// Holds what the configuration was compiled to; nothing until it was.
#[derive(Default)]
pub(crate) struct Root {
    configured: Option<(Rc<Guard>, Rc<Metrics>)>,
}

impl Context for Root {}

impl RootContext for Root {
    /// Refuses anything that is not wholly right: Envoy then doesn't serve.
    fn on_configure(&mut self, _size: usize) -> bool {
        let configured = configure();
        if let Err(problem) = &configured {
            log(Level::Error, &format!("meshwarden: configuration refused: {problem}"));
        }
        self.configured = configured.ok();
        self.configured.is_some()
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        let configured = self.configured.clone();
        Some(Box::new(Filter::new(configured)))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

fn configure() -> Result<(Rc<Guard>, Rc<Metrics>), String> {
    let configuration = plugin_configuration().map_err(|error| error.to_string())?;
    let guard = Guard::configure(configuration, |name| std::env::var(name).ok()).map_err(|error| error.to_string())?;
    for warning in guard.warnings() {
        log(Level::Warn, &format!("meshwarden: {warning}"));
    }
    let metrics = Metrics::define().map_err(|error| error.to_string())?;
    Ok((Rc::new(guard), Rc::new(metrics)))
}
