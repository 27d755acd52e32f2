//! The one binary, `blueshift`.

fn main() {}
