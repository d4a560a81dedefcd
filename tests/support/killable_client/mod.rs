//! Clients that are processes of their own, to be killed: the test `the_client` of the same file, run once more.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// Starts the client with a variable by which it knows that it is one, and waits until it has said `begun`.
pub fn client(variable: &str, value: &str) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_client", "--nocapture"])
        .env(variable, value)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let begun = lines.map_while(Result::ok).any(|line| line.ends_with("begun"));
    assert!(begun, "the client ended before it was killed");
    child
}
