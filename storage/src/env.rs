//! Clock, chance and fault sites, passed in.
