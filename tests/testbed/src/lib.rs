//! Certificates, tokens, upstream servers and Envoy processes, for the demo, the tests and the benchmark.
