//! All four stages in one VM: the default filter.
