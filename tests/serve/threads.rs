//! How the kernel schedules the server's threads.
//!
//! What would break: a refusal or a health check that waits for a core until a thread that computes has had its turn.

use std::fs;

use crate::program::Place;
use crate::server::serve;

/// Name and niceness of every thread of a process, the first one first.
fn threads(pid: u32) -> Vec<(String, i64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let folder = entry.unwrap().path();
        let name = fs::read_to_string(folder.join("comm")).unwrap().trim().to_owned();
        let stat = fs::read_to_string(folder.join("stat")).unwrap();
        // After the name, which may hold spaces, in brackets: the state is the third field, niceness the 19th.
        let mut fields = stat.rsplit(')').next().unwrap().split_whitespace();
        found.push((name, fields.nth(16).unwrap().parse().unwrap()));
    }
    found
}

#[test]
fn those_that_compute_stand_back_behind_those_that_answer() {
    for (setting, steps) in [("10", 10), ("0", 0)] {
        let place = Place::new(1, &[0.0, 1.0]);
        let settings = [("ENGINE__NICENESS", setting), ("ENGINE__INSTANCES", "2")];
        let server = serve(&place, &settings, &[]);
        let all = threads(server.pid());
        let (computing, others): (Vec<_>, Vec<_>) =
            all.iter().partition(|(name, _)| name.starts_with("model"));
        assert!(computing.len() >= 2 && others.len() >= 2, "{all:?}");
        let base = others[0].1;
        assert!(others.iter().all(|(_, niceness)| *niceness == base), "{all:?}");
        // Those that the first one started as well, which begin where it stands.
        assert!(
            computing
                .iter()
                .all(|(_, niceness)| *niceness == (base + steps).min(19)),
            "{all:?}"
        );
        assert_eq!(server.stop().code, 0);
    }
}
