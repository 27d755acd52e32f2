//! Every session parameter, one entry each.
