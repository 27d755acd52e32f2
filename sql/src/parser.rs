//! The token cursor every statement parses with.
