//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

const EXIT_CODES: &str = "\
Exit codes:
  0  everything is fine
  1  there are findings, or failed cases
  2  wrong usage, or a file that can't be read";

/// Checks, tests and explains the policies of Meshwarden's filters, with the filters' own code and without a proxy.
#[derive(Debug, Parser)]
#[command(name = "meshwarden", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the Cedar schema, or a catalogue and permits to start from
    #[command(after_help = "\
Examples:
  meshwarden schema > mcp.cedarschema
  meshwarden schema --tools tools.json --server hr > hr.yaml")]
    Schema(SchemaArguments),
    /// Say what the filter would refuse, and what it takes and can't be meant
    #[command(after_help = "\
Examples:
  meshwarden check guard.yaml
  meshwarden check envoy.yaml --cedar policies.cedar
  meshwarden check --json guard.yaml

Exit codes: 0 nothing found, 1 findings, 2 the file can't be read.")]
    Check(CheckArguments),
    /// Run sandboxes: policies with the decisions that they must lead to
    #[command(after_help = "\
Examples:
  meshwarden test policies/
  meshwarden test policies/acme --junit report.xml

A sandbox is a folder with policies.cedar, entities.json, servers.json and cases.json; of another folder, all sandboxes
directly in it are run. Exit codes: 0 all pass, 1 a case failed, 2 a sandbox can't be read.")]
    Test(TestArguments),
    /// Show who can call what
    #[command(after_help = "\
Examples:
  meshwarden matrix guard.yaml
  meshwarden matrix guard.yaml --html matrix.html

A column is somebody who is in that group or role and in no other. Exit codes: 0 shown, 2 the file can't be read or the
filter would refuse it.")]
    Matrix(MatrixArguments),
    /// Explain one request: who, what, which policies, what would help, what token goes on
    #[command(after_help = "\
Examples:
  meshwarden explain guard.yaml request.json
  grep r-17 envoy.log | meshwarden explain guard.yaml - --claims alice.json

A request:
  {\"peer\": \"spiffe://acme.example/agent/assistant\",
   \"claims\": {\"iss\": \"https://idp.acme.example\", \"sub\": \"alice\", \"scope\": \"hr.read\"},
   \"headers\": {\":authority\": \"hr.mcp.acme.example\", \":path\": \"/mcp\"},
   \"body\": {\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"tools/call\", \"params\": {\"name\": \"get_time_off\"}}}

Exit codes: 0 it goes on, 1 it does not, 2 a file can't be read or the filter would refuse the configuration.")]
    Explain(ExplainArguments),
    /// Decide a day of audit lines again under other policies, and show what would change
    #[command(after_help = "\
Examples:
  meshwarden replay guard.yaml envoy.log --cedar candidate.cedar
  meshwarden replay guard.yaml envoy.log --cedar candidate.cedar --claims users.json

CONFIG has the policies that were in force, --cedar the candidate. An audit line lacks the claims of its token, and has
arguments only with `audit.arguments: full`; what can't be told without them is listed as such.

Exit codes: 0 nothing would change, 1 something would or could, 2 a file can't be read.")]
    Replay(ReplayArguments),
    /// Prove what policies imply, for every request, or show a request for which it is not so
    #[command(after_help = "\
Examples:
  meshwarden prove guard.yaml invariants/
  meshwarden prove guard.yaml --against candidate.yaml

An invariant is a policy with @id in a file *.cedar of that folder:
  @id(\"no-destructive-tool-without-otp\") @reason(\"what can't be undone needs a one-time password\")
  forbid (principal, action == Action::\"tools/call\", resource)
  when { resource.hints.destructive && !context.token.amr.contains(\"otp\") };
What it forbids, the policies may never allow; what a permit of that folder permits, they must always allow. Whether a
policy can fail is always asked too, since what it fails on is denied. Requests are taken to be about what the
catalogue has, as it says it is. --against compares with the policies of another configuration, under this catalogue.

It needs the solver cvc5, on the PATH or named in the environment variable CVC5.

Exit codes: 0 all proven (with --against: the same), 1 something is not so or not known, 2 a file can't be read, the
filter would refuse it, or there is no solver.")]
    Prove(ProveArguments),
    /// Print completions for a shell
    #[command(
        after_help = "Example:\n  meshwarden completions bash > ~/.local/share/bash-completion/completions/meshwarden"
    )]
    Completions {
        /// For which
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArguments {
    /// What a server answered to `tools/list`, as JSON: print a catalogue and permits for its tools instead
    #[arg(long, value_name = "FILE", requires = "server")]
    pub(crate) tools: Option<PathBuf>,
    /// The server's name in the configuration
    #[arg(long, value_name = "NAME", requires = "tools")]
    pub(crate) server: Option<String>,
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub(crate) struct ConfigurationArguments {
    /// The filter's configuration as YAML or JSON, or an Envoy or Istio YAML that holds it; `-` is standard input
    #[arg(value_name = "CONFIG")]
    pub(crate) file: PathBuf,
    /// Take the policies from this file in place of `policy.cedar`
    #[arg(long, value_name = "FILE")]
    pub(crate) cedar: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    #[command(flatten)]
    pub(crate) configuration: ConfigurationArguments,
    /// Print JSON, for machines
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TestArguments {
    /// Sandboxes, or folders of sandboxes
    #[arg(value_name = "DIR", required = true)]
    pub(crate) folders: Vec<PathBuf>,
    /// Write a report in JUnit's format too
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Print JSON, for machines
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct MatrixArguments {
    #[command(flatten)]
    pub(crate) configuration: ConfigurationArguments,
    /// Write a page that needs nothing else
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Print JSON, for machines
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    #[command(flatten)]
    pub(crate) configuration: ConfigurationArguments,
    /// A request as JSON, or one audit line; `-` is standard input
    #[arg(value_name = "REQUEST")]
    pub(crate) request: PathBuf,
    /// Claims of the token as JSON, in place of those of the request: an audit line has none
    #[arg(long, value_name = "FILE")]
    pub(crate) claims: Option<PathBuf>,
    /// Print JSON, for machines
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ProveArguments {
    #[command(flatten)]
    pub(crate) configuration: ConfigurationArguments,
    /// A folder with what must be implied
    #[arg(value_name = "INVARIANTS")]
    pub(crate) invariants: Option<PathBuf>,
    /// Compare with the policies of this configuration
    #[arg(long, value_name = "OTHER")]
    pub(crate) against: Option<PathBuf>,
    /// Print JSON, for machines
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArguments {
    #[command(flatten)]
    pub(crate) configuration: ConfigurationArguments,
    /// A log with audit lines, one a line; others are skipped; `-` is standard input
    #[arg(value_name = "AUDIT")]
    pub(crate) audit: PathBuf,
    /// Claims of users as JSON: an object by `<issuer>#<subject>`
    #[arg(long, value_name = "FILE")]
    pub(crate) claims: Option<PathBuf>,
    /// Print JSON, for machines
    #[arg(long)]
    pub(crate) json: bool,
}
