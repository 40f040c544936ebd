//! The rules of this workspace, as tests.
