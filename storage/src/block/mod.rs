//! Block builder and reader, zone maps, checksums.
