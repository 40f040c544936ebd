//! Proofs reckon with every request that can come.

use std::fs;
use std::path::Path;

use super::tests::sandboxes;
use super::{ServerFile, json};
use crate::Server;
use crate::proofs::is_possible;

const ENOUGH: usize = 6;

#[test]
fn every_request_of_every_sandbox_is_possible_to_proofs_with_its_own_catalogue_alone() {
    let (mut asked, mut excluded) = (0, 0);
    for sandbox in sandboxes() {
        let policies = &sandbox.policies;
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/policies").join(&sandbox.name);
        let text = fs::read_to_string(folder.join("servers.json")).unwrap();
        let servers: Vec<ServerFile> = json("servers.json", &text).unwrap();
        let servers: Vec<Server> = servers.into_iter().map(ServerFile::server).collect();
        // As long as their catalogue is empty, tools are something else.
        let bare: Vec<Server> = servers.iter().map(|server| Server { tools: [].into(), ..server.clone() }).collect();
        for case in &sandbox.file.cases {
            let somebody = sandbox.somebody(&case.who, case.now.as_deref(), case.source_ip).unwrap();
            let caller = somebody.caller();
            let call = sandbox.call(case).unwrap();
            let Some(server) = policies.catalogue.server(&case.server) else { continue };
            let Ok((action, thing, shown)) = policies.subject(server, call.operation()) else { continue };
            let Some(case_of) = policies.case(&caller, action, thing, shown) else { continue };
            let question = policies.whole_question(&case_of).unwrap();
            assert!(is_possible(policies, &servers, &question), "{}: {}", sandbox.name, case.name);
            asked += 1;
            // A few will do.
            if excluded < ENOUGH {
                assert!(!is_possible(policies, &[], &question), "{}: {}", sandbox.name, case.name);
                excluded += usize::from(!is_possible(policies, &bare, &question));
            }
        }
    }
    assert!(asked > 50 && excluded == ENOUGH, "{asked} {excluded}");
}
