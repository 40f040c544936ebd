//! What others sign with.

use access_tokens::Algorithm;

use super::{Compiled, wrong};

/// The algorithms that are named in the list at `field`.
pub(super) fn algorithms(field: &str, names: &[String]) -> Compiled<Vec<Algorithm>> {
    let algorithm =
        |(at, name): (usize, &String)| name.parse().map_err(|error| wrong(&format!("{field}[{at}]"), error));
    names.iter().enumerate().map(algorithm).collect()
}
