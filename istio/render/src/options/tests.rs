use super::*;
use crate::target::Kind;

const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const BASE: &str = "--config c.yaml --name guard --namespace mcp";

fn parse(words: &str) -> Result<Options, String> {
    Options::parse(words.split(' ')).map_err(|error| error.to_string())
}

fn guard(words: &str) -> Result<Options, String> {
    parse(&format!("{BASE} --image oci://r.example/g:1 --sha256 {DIGEST} {words}"))
}

#[track_caller]
fn refused(result: Result<Options, String>, message: &str) {
    assert_eq!(result.unwrap_err(), message);
}

#[test]
fn what_was_read_is_written_so_that_it_can_be_read_again() {
    for words in [
        "--place gateway --form envoy-filter --selector app=gateway,tier=edge --fail-strategy FAIL_RELOAD",
        "--place sidecar --form wasm-plugin --selector app.kubernetes.io/component=mcp-server",
        "--place waypoint --form traffic-extension --target-ref Service/hr --cedar p.cedar",
        "--place waypoint --form envoy-filter --target-ref Gateway/waypoint",
    ] {
        let options = guard(words).unwrap();
        assert_eq!(parse(&options.lines().join(" ")).unwrap(), options);
    }
    let options = parse(&format!("{BASE} --place sidecar --form mesh-policies --selector a=b")).unwrap();
    assert_eq!(parse(&options.lines().join(" ")).unwrap(), options);
}

#[test]
fn a_target_is_labels_or_one_reference() {
    let target =
        |words: &str| guard(&format!("--place gateway --form wasm-plugin {words}")).map(|options| options.target);
    let reference = Target::Reference { kind: Kind::Gateway, name: "mcp".to_owned() };
    assert_eq!(target("--target-ref Gateway/mcp").unwrap(), reference);
    let message = "`--selector`: is missing, and so is `--target-ref`; write one of them";
    assert_eq!(guard("--place gateway --form wasm-plugin").unwrap_err(), message);
    let message = "`--target-ref`: excludes `--selector`; write one of them";
    assert_eq!(target("--selector a=b --target-ref Gateway/mcp").unwrap_err(), message);
    let message = "`--target-ref`: `Pod/mcp` is none; write Gateway/NAME, Service/NAME or ServiceEntry/NAME";
    assert_eq!(target("--target-ref Pod/mcp").unwrap_err(), message);
    let message = "`--selector`: `app` is no label; write KEY=VALUE[,KEY=VALUE]";
    assert_eq!(target("--selector app").unwrap_err(), message);
}

#[test]
fn a_target_that_istio_would_ignore_is_refused() {
    refused(
        guard("--place waypoint --form traffic-extension --selector a=b"),
        "`--selector`: a waypoint ignores selectors; write --target-ref Gateway/NAME or Service/NAME",
    );
    refused(
        guard("--place sidecar --form traffic-extension --target-ref Gateway/mcp"),
        "`--target-ref`: a sidecar ignores target references; write --selector LABEL=VALUE",
    );
    refused(
        guard("--place gateway --form traffic-extension --target-ref Service/hr"),
        "`--target-ref`: only a waypoint serves Service and ServiceEntry; write Gateway/NAME or --selector",
    );
    refused(
        guard("--place waypoint --form envoy-filter --target-ref Service/hr"),
        "`--target-ref`: an EnvoyFilter patches a whole proxy, not one service; write Gateway/NAME",
    );
}

#[test]
fn a_module_is_an_image_with_a_digest_and_never_fails_open() {
    let with = |image: &str, digest: &str, more: &str| {
        let place = "--place sidecar --form wasm-plugin --selector a=b";
        parse(&format!("{BASE} {place} --image {image} --sha256 {digest}{more}"))
    };
    refused(
        with("https://r.example/g.wasm", DIGEST, ""),
        "`--image`: `https://r.example/g.wasm` is no image; write oci://REGISTRY/REPOSITORY:TAG",
    );
    let short = "0".repeat(63);
    let message = format!("`--sha256`: `{short}` has 63 characters; write 64 lower-case hexadecimal digits");
    refused(with("oci://r.example/g:1", &short, ""), &message);
    assert!(with("oci://r.example/g:1", &DIGEST.to_uppercase(), "").is_err());
    refused(
        with(&format!("oci://r.example/g@sha256:{}", "0".repeat(64)), DIGEST, ""),
        "`--sha256`: is not the digest in `--image`; write the same one twice",
    );
    assert!(with(&format!("oci://r.example/g@sha256:{DIGEST}"), DIGEST, "").is_ok());
    refused(
        with("oci://r.example/g:1", DIGEST, " --fail-strategy FAIL_OPEN"),
        "`--fail-strategy`: FAIL_OPEN lets every request through once the guard failed; write FAIL_CLOSE or FAIL_RELOAD",
    );
    refused(
        with("oci://r.example/g:1", DIGEST, " --fail-strategy FAIL_CLOSED"),
        "`--fail-strategy`: `FAIL_CLOSED` is unknown; write FAIL_CLOSE or FAIL_RELOAD",
    );
    refused(
        parse(&format!("{BASE} --place sidecar --form mesh-policies --selector a=b --sha256 {DIGEST}")),
        "`--sha256`: mesh-policies have no module; leave it out",
    );
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    let rest = "--form wasm-plugin --selector a=b";
    refused(guard(&format!("--place node {rest}")), "`--place`: `node` is unknown; write gateway, sidecar or waypoint");
    refused(
        guard("--place sidecar --form lua --selector a=b"),
        "`--form`: `lua` is unknown; write traffic-extension, wasm-plugin, envoy-filter or mesh-policies",
    );
    assert!(guard(&format!("--place sidecar {rest} --open yes")).unwrap_err().starts_with("`--open`: is no option"));
    refused(guard(&format!("--place sidecar {rest} --place gateway")), "`--place`: is there twice; write it once");
    refused(guard(&format!("--place sidecar {rest} --cedar")), "`--cedar`: has no value");
    refused(guard(rest), "`--place`: is missing");
    let name = parse("--config c --place sidecar --form mesh-policies --selector a=b --name A --namespace b");
    refused(name, "`--name`: `A` is no name: use lower-case letters, digits and `-`");
}
