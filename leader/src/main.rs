//! The one binary, `blueshift`.

fn main() -> std::process::ExitCode {
    blueshift_leader::cli::main()
}
