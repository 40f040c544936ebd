use super::*;

const VOID: &[u8] = &[0x60, 0, 0];
const LOG: &[u8] = &[0x60, 3, 0x7f, 0x7f, 0x7f, 1, 0x7f];
const METRIC: &[u8] = &[0x60, 2, 0x7f, 0x7e, 1, 0x7f];

/// A module with one imported function of the given type, and one exported function.
fn module(import: (&str, &str, &[u8]), export: &str) -> Vec<u8> {
    let (space, name, kind) = import;
    let imports = [&[1][..], &text(space), &text(name), &[0, 1]].concat();
    let exports = [&[1][..], &text(export), &[0, 1]].concat();
    [
        &b"\0asm\x01\0\0\0"[..],
        &section(1, &[&[2], VOID, kind].concat()),
        &section(2, &imports),
        &section(3, &[1, 0]),
        &section(7, &exports),
        &section(10, &[1, 2, 0, 0x0b]),
    ]
    .concat()
}

fn text(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

fn section(id: u8, body: &[u8]) -> Vec<u8> {
    [&[id, u8::try_from(body.len()).unwrap()], body].concat()
}

fn import(module: &str, name: &str, signature: &str) -> Import {
    Import { module: module.to_owned(), name: name.to_owned(), signature: signature.to_owned() }
}

#[test]
fn a_module_that_imports_what_envoy_has_is_accepted() {
    let log = module(("env", "proxy_log", LOG), ABI_VERSION);
    assert_eq!(check_module(&log), Ok(vec![import("env", "proxy_log", "i32 i32 i32 -> i32")]));
    let metric = module(("env", "proxy_increment_metric", METRIC), ABI_VERSION);
    assert_eq!(check_module(&metric), Ok(vec![import("env", "proxy_increment_metric", "i32 i64 -> i32")]));
}

#[test]
fn a_foreign_import_is_refused() {
    let foreign = import("env", "now_please", "i32 i32 i32 -> i32");
    let module = module(("env", "now_please", LOG), ABI_VERSION);
    assert_eq!(check_module(&module), Err(vec![ImportError::NotProvided(foreign)]));
}

#[test]
fn a_known_function_in_another_name_space_is_refused() {
    let foreign = import("wasi_snapshot_preview1", "proxy_log", "i32 i32 i32 -> i32");
    let module = module(("wasi_snapshot_preview1", "proxy_log", LOG), ABI_VERSION);
    assert_eq!(check_module(&module), Err(vec![ImportError::NotProvided(foreign)]));
}

#[test]
fn what_newer_envoys_alone_provide_is_refused() {
    let foreign = import("wasi_snapshot_preview1", "fd_sync", "void -> void");
    let module = module(("wasi_snapshot_preview1", "fd_sync", VOID), ABI_VERSION);
    assert_eq!(check_module(&module), Err(vec![ImportError::NotProvided(foreign)]));
}

#[test]
fn a_known_function_of_another_type_is_refused() {
    let import = import("env", "proxy_log", "void -> void");
    let module = module(("env", "proxy_log", VOID), ABI_VERSION);
    let provided = "i32 i32 i32 -> i32";
    assert_eq!(check_module(&module), Err(vec![ImportError::OtherSignature { import, provided }]));
}

#[test]
fn an_imported_global_is_refused() {
    let imports = [&[1][..], &text("env"), &text("proxy_log"), &[3, 0x7f, 0]].concat();
    let exports = [&[1][..], &text(ABI_VERSION), &[3, 0]].concat();
    let module = [&b"\0asm\x01\0\0\0"[..], &section(2, &imports), &section(7, &exports)].concat();
    let (module_name, name) = ("env".to_owned(), "proxy_log".to_owned());
    assert_eq!(check_module(&module), Err(vec![ImportError::NotAFunction { module: module_name, name }]));
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let foreign = import("env", "now_please", "void -> void");
    let module = module(("env", "now_please", VOID), "start");
    assert_eq!(check_module(&module), Err(vec![ImportError::NotProvided(foreign), ImportError::NoAbiVersion]));
}

#[test]
fn bytes_that_are_no_module_are_refused() {
    let good = module(("env", "proxy_log", LOG), ABI_VERSION);
    for bytes in [&b""[..], b"not wasm", &good[..good.len() - 1], &[&good[..], &[0]].concat()] {
        let errors = check_module(bytes).unwrap_err();
        assert!(matches!(errors.as_slice(), [ImportError::NotAModule(_)]), "{errors:?}");
    }
}

#[test]
fn the_message_names_the_function_and_both_signatures() {
    let import = import("env", "proxy_log", "void -> void");
    let message = ImportError::OtherSignature { import, provided: "i32 -> i32" }.to_string();
    assert_eq!(message, "`env.proxy_log: void -> void` is imported, but Envoy provides `i32 -> i32`");
}
