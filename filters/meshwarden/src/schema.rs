//! `meshwarden schema`.

use std::io::Write;

use crate::cli::SchemaArguments;
use crate::failure::{Failure, Outcome, read};
use crate::skeleton;

pub(crate) fn run(arguments: &SchemaArguments, out: &mut impl Write) -> Result<Outcome, Failure> {
    match (&arguments.tools, &arguments.server) {
        (Some(file), Some(server)) => {
            let tools = skeleton::tools(&read(file)?).map_err(|problem| Failure::content(file, problem))?;
            out.write_all(skeleton::skeleton(server, &tools).as_bytes())?;
        }
        _ => out.write_all(access_policy::SCHEMA.as_bytes())?,
    }
    Ok(Outcome::Fine)
}
