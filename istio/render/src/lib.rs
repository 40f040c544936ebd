//! Istio manifests from one Meshwarden configuration: policy is written once, whatever the place and the API.
//!
//! [`Options`] say what is wanted, [`render`] makes it. What is made begins with the options it was made with, so that
//! [`refresh`] can make it again. The same input always gives the same text.

mod configuration;
mod envoy_filter;
mod error;
mod mesh_policies;
mod options;
mod render;
mod target;
mod wasm;

pub use error::RenderError;
pub use options::{FailStrategy, Form, Module, Options, Place, USAGE};
pub use render::{Sources, recorded_options, refresh, render};
pub use target::{Kind, Target};
