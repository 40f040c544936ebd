//! The order of the checks, as a state machine that knows no host.
