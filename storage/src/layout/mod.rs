//! Byte layouts and their versions, one file per structure.
