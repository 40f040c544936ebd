//! Whether policy allows it: Cedar over who, what and context.
