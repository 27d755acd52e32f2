//! The main job as a user runs it: `blueshift demo --exit` makes data, loads it, and checks 22 answers, on 1, 2 and 5
//! slices.

use blueshift_tests::server::binary;
use std::process::Command;

fn demo(slices: u32) {
    let output = Command::new(binary())
        .args([
            "demo",
            "--exit",
            "--scale",
            "0.01",
            "--slices",
            &slices.to_string(),
        ])
        .output()
        .expect("the demo runs");
    let text = String::from_utf8_lossy(&output.stdout).to_string()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    for query in 1..=22 {
        assert!(
            text.contains(&format!("Q{query}")) || text.contains(&format!("q{query}")),
            "no Q{query} in\n{text}"
        );
    }
}

#[test]
fn demo_answers_are_right_on_1_slice() {
    demo(1);
}

#[test]
fn demo_answers_are_right_on_2_slices() {
    demo(2);
}

#[test]
fn demo_answers_are_right_on_5_slices() {
    demo(5);
}
