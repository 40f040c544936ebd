//! Commands to try while everything runs.

use std::fs;

use anyhow::Result;
use testbed::{ALICE, AgentsWorld, Envoy, MARIA, World};

/// Waits for Ctrl-C.
pub(crate) async fn wait(envoys: &[&Envoy]) -> Result<()> {
    println!("\nIt all runs until Ctrl-C.");
    for envoy in envoys {
        println!(
            "Envoy listens at {}\n  what the filters say: tail -f {}\n  statistics: curl -s http://{}/stats?filter=meshwarden",
            envoy.listener(),
            envoy.folder().join("envoy.log").display(),
            envoy.admin()
        );
    }
    tokio::signal::ctrl_c().await?;
    println!();
    Ok(())
}

/// Prints commands that work when pasted into a shell.
pub(crate) fn agent_to_agent(world: &AgentsWorld) -> Result<()> {
    let folder = world.certificates();
    let token = world.identities().idp.sign(&world.token(&ALICE, &[]))?;
    // A file of a header, so that the token is in no list of processes.
    fs::write(folder.join("alice.token"), format!("authorization: Bearer {token}\n"))?;
    println!(
        r#"
To try in another shell, as Alice's planner:

cd {folder}
a2a() {{ # a2a AGENT METHOD PARAMS
  curl -sS --connect-to ::127.0.0.1:{port} --cacert acme.example.pem --cert planner.pem --key planner.key -H @alice.token \
    -H 'content-type: application/json' -H 'a2a-version: 1.0' -w '\n' \
    -d '{{"jsonrpc":"2.0","id":1,"method":"'$2'","params":'"$3"'}}' "https://$1.agents.acme.example/"
}}

a2a travel SendMessage '{{"message":{{"messageId":"m-1","role":"ROLE_USER","parts":[{{"text":"A flight to Lisbon"}}]}}}}'
a2a travel SendStreamingMessage '{{"message":{{"messageId":"m-2","role":"ROLE_USER","parts":[{{"text":"A hotel"}}]}}}}'
a2a travel GetTask '{{"id":"T-lisbon"}}'
a2a payroll GetTask '{{"id":"T-salary"}}'
a2a payroll SendMessage '{{"message":{{"messageId":"m-3","role":"ROLE_USER","parts":[{{"text":"What does Bob earn?"}}]}}}}'"#,
        folder = folder.display(),
        port = world.envoy().listener().port(),
    );
    Ok(())
}

/// Prints commands that work when pasted into a shell.
pub(crate) fn agent_to_mcp(world: &World) -> Result<()> {
    let folder = world.certificates();
    let identities = world.identities();
    let tokens = [
        ("alice", identities.token(&ALICE)),
        ("maria", identities.token(&MARIA)),
        ("alice-otp", identities.token(&ALICE).claim("amr", ["pwd", "otp"].to_vec())),
        ("alice-expired", identities.token(&ALICE).expired(3_600)),
    ];
    for (name, token) in tokens {
        // A file of a header, so that the token is in no list of processes.
        fs::write(folder.join(format!("{name}.token")), format!("authorization: Bearer {}\n", world.sign(&token)?))?;
    }
    let port = world.envoy().listener().port();
    println!(
        r#"
To try in another shell:

cd {folder}
mcp() {{ # mcp USER SERVER MESSAGE; AGENT=batch mcp … comes as another agent
  curl -sS --connect-to ::127.0.0.1:{port} --cacert acme.example.pem \
    --cert "${{AGENT:-assistant}}.pem" --key "${{AGENT:-assistant}}.key" -H "@$1.token" \
    -H 'content-type: application/json' -H 'accept: application/json, text/event-stream' \
    -H 'mcp-protocol-version: 2025-11-25' -w '\n' -d "$3" "https://$2.mcp.acme.example/mcp"
}}

mcp alice hr '{{"jsonrpc":"2.0","id":1,"method":"tools/list"}}'
mcp alice hr '{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{{"name":"get_time_off","arguments":{{"employee_id":"E1001"}}}}}}'
mcp alice hr '{{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{{"name":"get_time_off","arguments":{{"employee_id":"E1002"}}}}}}'
mcp maria hr '{{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{{"name":"query_compensation","arguments":{{"department":"engineering","position":"developer"}}}}}}'
mcp alice docs '{{"jsonrpc":"2.0","id":5,"method":"resources/read","params":{{"uri":"doc://exec/reorganization-2027"}}}}'
mcp alice-otp tickets '{{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{{"name":"delete_ticket","arguments":{{"ticket_id":"T-1"}}}}}}'
mcp alice-expired hr '{{"jsonrpc":"2.0","id":7,"method":"tools/list"}}'
AGENT=batch mcp alice hr '{{"jsonrpc":"2.0","id":8,"method":"tools/list"}}'"#,
        folder = folder.display(),
    );
    Ok(())
}
