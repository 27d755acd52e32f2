//! The figures a server gives to those that watch it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Asks for the figures, and gives the status line with them.
pub async fn scrape(port: u16, path: &str) -> String {
    let socket = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
    let mut socket = socket.expect("connected");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("asked");
    let mut answer = String::new();
    // The server ends the connection itself.
    socket.read_to_string(&mut answer).await.expect("answered");
    answer
}

/// Gives a figure; `name` with its labels, if it has some.
pub fn figure(page: &str, name: &str) -> f64 {
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name} ")));
    let line = line.unwrap_or_else(|| panic!("no {name} in {page}"));
    line.parse().unwrap_or_else(|_| panic!("{name} {line}"))
}
