# Narrows what cargo-cyclonedx wrote to what is in the module: it reads `cargo metadata`, where a crate has the features
# that any crate of the workspace, or a test, asks for, and so depends on crates that the module is built without.
#   $all, $linked   lines of `name vVERSION`: the crates cargo builds for the plugin; those without procedural macros
#   $copy           the folder that was read, as a URL: it must not show, nor change the digest
#   $sum            the SHA-256 of the module
def set: split("\n") | map(select(. != "") | {(.): true}) | add;
def key: "\(.name) v\(.version)";
($all | set) as $all | ($linked | set) as $linked
| .components |= [.[] | select($all[key]) | .scope = if $linked[key] then "required" else "excluded" end]
| if .components | length + 1 == ($all | length) then . else error("the SBOM lists other crates than cargo tree") end
| ([.metadata.component, .components[]] | map({(."bom-ref"): true}) | add) as $kept
| .dependencies |= [.[] | select($kept[.ref]) | if .dependsOn then .dependsOn |= map(select($kept[.])) else . end]
| .metadata.component.hashes = [{alg: "SHA-256", content: $sum}]
| walk(if type == "string" then split($copy) | join("") else . end)
