//! How the kernel schedules the server's threads.
//!
//! What would break: a refusal or a health check that waits for the time slice of a compute thread.

use std::fs;
use std::time::{Duration, Instant};

use sagate::proto::v1;
use sagate_core::imaging::preprocess::Step;

use crate::binary::{Place, waves_image};
use crate::server::{SERVE, Server, request, serve, tensor};
use crate::tiny_model;

/// Name and nice value of every thread of a process, the first one first.
fn threads(pid: u32) -> Vec<(String, i64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let folder = entry.unwrap().path();
        let name = fs::read_to_string(folder.join("comm")).unwrap().trim().to_owned();
        let stat = fs::read_to_string(folder.join("stat")).unwrap();
        // After the name, which may hold spaces, in brackets: the state is the third field, nice value the 19th.
        let mut fields = stat.rsplit(')').next().unwrap().split_whitespace();
        found.push((name, fields.nth(16).unwrap().parse().unwrap()));
    }
    found
}

#[test]
fn those_that_compute_stand_back_behind_those_that_answer() {
    for (setting, steps) in [("10", 10), ("0", 0)] {
        let place = Place::new(1, &[0.0, 1.0]);
        let settings = [("ENGINE__NICE", setting), ("ENGINE__INSTANCES", "2")];
        let server = serve(&place, &settings, &[]);
        let all = threads(server.pid());
        let (computing, others): (Vec<_>, Vec<_>) =
            all.iter().partition(|(name, _)| name.starts_with("model"));
        assert!(computing.len() >= 2 && others.len() >= 2, "{all:?}");
        let base = others[0].1;
        assert!(others.iter().all(|(_, nice)| *nice == base), "{all:?}");
        // Those that the first one started as well, which begin where it stands.
        assert!(
            computing.iter().all(|(_, nice)| *nice == (base + steps).min(19)),
            "{all:?}"
        );
        assert_eq!(server.stop().code, 0);
    }
}

/// OpenMP threads are kept by the instance that used the cores last, and released by the others. What would break: more OpenMP threads
/// than cores, upon which they stop busy-waiting and every operation has to wake them.
#[tokio::test]
async fn no_more_threads_help_than_there_are_cores() {
    let place = Place::new(1, &[0.0, 1.0]);
    tiny_model::write_as("other", &place.path("models"), 1, vec![Step::ZScore], &[0.0, 1.0]);
    let models = [
        "--models",
        "models",
        "--model",
        tiny_model::NAME,
        "--threads",
        "2",
    ];
    let mut command = place.bare(&[&models[..], &SERVE].concat());
    let server = Server::with(command.env("SAGATE__ENGINE__INSTANCES", "2"));
    let mut client = server.client();
    for name in ["tiny", "other", "tiny"] {
        // Two instances of two models, and the one that helps. Another's is given up with one of the next images, not with each.
        let until = Instant::now() + Duration::from_secs(30);
        let mut computing = 0;
        while computing != 5 && Instant::now() < until {
            let mut ask = request("", tensor(&waves_image(1, 256, 256)));
            ask.options.as_mut().unwrap().model = Some(v1::ModelReference {
                name: name.into(),
                ..Default::default()
            });
            client.segment(ask).await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
            computing = threads(server.pid())
                .iter()
                .filter(|(name, _)| name.starts_with("model"))
                .count();
        }
        assert_eq!(computing, 5, "threads that compute, after {name}");
    }
    assert_eq!(server.stop().code, 0);
}
