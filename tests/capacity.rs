//! Simulated replicas against results of queueing theory, and the command `sagate simulate`.
//!
//! What would break: a capacity plan that is off by a factor, images missing from the counts, a command that accepts invalid numbers.

#[path = "support/binary/mod.rs"]
mod binary;
#[path = "support/tiny_model/mod.rs"]
mod tiny_model;

use binary::Place;
use proptest::prelude::*;
use sagate::capacity::{
    Arrivals, Balancing, Loss, Scaling, ServiceTimes, SimulationConfig, TraceError, simulate,
};

fn simulation_config(arrivals: Arrivals) -> SimulationConfig {
    SimulationConfig {
        arrivals,
        times: ServiceTimes::constant(0.1),
        alone: ServiceTimes::constant(0.1),
        slots: 1,
        queue: 1 << 20,
        deadline: f64::INFINITY,
        way: 0.0,
        balancing: Balancing::LeastOf(2),
        retries: 0,
        back_off: 0.025,
        scaling: Scaling::fixed(1),
        losses: Vec::new(),
        seconds: 20_000.0,
        warm_up: 100.0,
        seed: 1,
    }
}

/// Pollaczek and Khinchine: with a constant service time S and a utilisation u the mean wait is u S / (2 (1 - u)).
#[test]
fn one_replica_waits_as_an_m_d_1_queue_does() {
    for rate in [3.0, 6.0, 8.0] {
        let outcome = simulate(&simulation_config(Arrivals::Poisson { rate }));
        let utilisation = rate * 0.1;
        let mean = 0.1 + utilisation * 0.1 / (2.0 * (1.0 - utilisation));
        assert!(
            (outcome.mean / mean - 1.0).abs() < 0.03,
            "{rate}: {} for {mean}",
            outcome.mean
        );
        assert!((outcome.utilisation / utilisation - 1.0).abs() < 0.02);
    }
}

/// The number of busy slots is that of images in flight, up to all slots, and Little's law holds.
#[test]
fn a_closed_loop_has_what_its_slots_can_do() {
    for (in_flight, slots, replicas) in [(1, 1, 1), (4, 1, 1), (4, 2, 1), (16, 2, 3)] {
        let outcome = simulate(&SimulationConfig {
            slots,
            scaling: Scaling::fixed(replicas),
            balancing: Balancing::Least,
            seconds: 2000.0,
            ..simulation_config(Arrivals::Closed { in_flight })
        });
        let busy = in_flight.min(slots * replicas) as f64;
        assert!(
            (outcome.throughput / (busy * 10.0) - 1.0).abs() < 0.01,
            "{outcome:?}"
        );
        // Little: as many are on their way as come a second times how long they take.
        let on_their_way = outcome.throughput * outcome.mean;
        assert!((on_their_way / in_flight as f64 - 1.0).abs() < 0.01);
    }
}

#[test]
fn overload_with_a_deadline_keeps_the_slots_busy_and_is_in_time() {
    let outcome = simulate(&SimulationConfig {
        deadline: 1.0,
        seconds: 1000.0,
        ..simulation_config(Arrivals::Poisson { rate: 30.0 })
    });
    assert!(outcome.throughput > 9.9);
    assert!(
        (outcome.replicas - 1.0).abs() < 1e-3 && outcome.utilisation <= 1.0,
        "{outcome:?}"
    );
    assert_eq!(outcome.in_time, outcome.answered);
    assert!(outcome.p99 <= 0.8 + 1e-3, "p99 is {}", outcome.p99);
    assert_eq!(outcome.sent, outcome.answered + outcome.refused);
}

#[test]
fn a_day_is_followed_by_the_autoscaler() {
    let outcome = simulate(&SimulationConfig {
        scaling: Scaling::kubernetes(2, 40),
        seconds: 86_400.0,
        warm_up: 0.0,
        ..simulation_config(Arrivals::Day {
            mean: 30.0,
            swing: 0.8,
        })
    });
    // At noon 54 a second come: 9 replicas are busy for 60 %.
    assert!(
        (8..=14).contains(&outcome.max_replicas),
        "{}",
        outcome.max_replicas
    );
    assert!(outcome.replicas < 0.8 * outcome.max_replicas as f64);
    assert!((outcome.throughput / 30.0 - 1.0).abs() < 0.02);
    assert_eq!(outcome.refused + outcome.no_replica, 0);
}

#[test]
fn a_killed_replica_costs_what_it_held_and_nothing_where_it_is_sent_again() {
    let with = |retries, graceful| {
        simulate(&SimulationConfig {
            scaling: Scaling::fixed(3),
            retries,
            losses: vec![Loss {
                time: 500.0,
                replica: 1,
                graceful,
            }],
            seconds: 1000.0,
            ..simulation_config(Arrivals::Poisson { rate: 25.0 })
        })
    };
    let killed = with(0, false);
    assert!((1..20).contains(&killed.lost), "{}", killed.lost);
    let retried = with(1, false);
    assert_eq!((retried.lost, retried.retried), (0, killed.lost));
    assert_eq!(with(0, true).lost, 0);
}

/// A comparison with real replicas needs the same arrival times.
#[test]
fn a_seed_brings_the_same_images_to_every_fleet() {
    let sent = |seed, replicas, balancing| {
        simulate(&SimulationConfig {
            scaling: Scaling::fixed(replicas),
            balancing,
            seed,
            ..simulation_config(Arrivals::Poisson { rate: 5.0 })
        })
        .sent
    };
    let first = sent(7, 1, Balancing::Least);
    assert_eq!(first, sent(7, 3, Balancing::LeastOf(3)));
    assert_eq!(first, sent(7, 2, Balancing::Random));
    assert_ne!(first, sent(8, 1, Balancing::Least));
}

/// A load test includes the network time of an image, and the service time excludes it.
#[test]
fn the_way_is_no_part_of_the_service() {
    let report = r#"{"all": {"curve": [{"one_in": 1, "from_sending_ms": 100}, {"one_in": 10, "from_sending_ms": 100}]}}"#;
    let times = ServiceTimes::from_report(report.as_bytes(), 0.02).unwrap();
    assert!((times.mean() - 0.08).abs() < 1e-9, "{}", times.mean());
    let closed = |in_flight| {
        simulate(&SimulationConfig {
            times: times.clone(),
            alone: times.clone(),
            way: 0.02,
            seconds: 2000.0,
            ..simulation_config(Arrivals::Closed { in_flight })
        })
    };
    // Alone an image is on its way while the slot waits; two fill it.
    assert!((closed(1).throughput / 10.0 - 1.0).abs() < 0.01);
    assert!((closed(2).throughput / 12.5 - 1.0).abs() < 0.01);
}

/// Faster machines scale the throughput, from the same measurement.
#[test]
fn twice_the_speed_is_twice_the_throughput() {
    let place = Place::new(1, &[0.5]);
    let points = r#"{"one_in": 1, "from_sending_ms": 60}, {"one_in": 10, "from_sending_ms": 140}"#;
    place.write(
        "report.json",
        format!(r#"{{"all": {{"curve": [{points}]}}}}"#).as_bytes(),
    );
    let found = |speed: &str| {
        let asked = asked("--in-flight 3 --service report.json --seconds 2000 --speed").into_iter();
        let (found, code) = place.json(&asked.chain([speed]).collect::<Vec<_>>());
        assert_eq!(code, 0);
        ["throughput", "p99"].map(|what| found[what].as_f64().unwrap())
    };
    let ([throughput, p99], [faster, sooner]) = (found("1"), found("2"));
    assert!(
        (faster / throughput - 2.0).abs() < 0.02,
        "{throughput} and {faster}"
    );
    assert!((p99 / sooner - 2.0).abs() < 0.05, "{p99} and {sooner}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_image_is_counted_once(
        rate in 1.0..60.0f64,
        replicas in 1..5usize,
        slots in 1..4usize,
        queue in 1..20usize,
        retries in 0..3usize,
        deadline in prop_oneof![Just(f64::INFINITY), 0.05..2.0f64],
        lose in proptest::collection::vec((0.0..60.0f64, 0..5usize, any::<bool>()), 0..4),
        seed: u64,
    ) {
        let plan = SimulationConfig {
            slots,
            queue,
            retries,
            deadline,
            scaling: Scaling { most: replicas + 2, ..Scaling::kubernetes(replicas, replicas + 2) },
            losses: lose.into_iter().map(|(time, replica, graceful)| Loss { time, replica, graceful }).collect(),
            seconds: 60.0,
            warm_up: 5.0,
            seed,
            ..simulation_config(Arrivals::Poisson { rate })
        };
        let outcome = simulate(&plan);
        prop_assert_eq!(outcome.sent, outcome.answered + outcome.refused + outcome.no_replica + outcome.lost);
        prop_assert!(outcome.utilisation <= 1.0 + 1e-9);
        prop_assert_eq!(format!("{outcome:?}"), format!("{:?}", simulate(&plan)), "chance has a seed");
    }
}

#[test]
fn a_trace_is_read_or_its_line_named() {
    let read = Arrivals::read_trace("# seconds\n0.5, urgent\n\n2\n2\n").unwrap();
    assert_eq!(read, Arrivals::Trace(vec![0.5, 2.0, 2.0]));
    assert_eq!(Arrivals::read_trace("\n#\n"), Err(TraceError::Empty));
    for (text, line) in [
        ("1\n0.5\n", 2),
        ("-1\n", 1),
        ("1\nx\n", 2),
        ("inf\n", 1),
        ("NaN\n", 1),
    ] {
        assert!(
            matches!(Arrivals::read_trace(text), Err(TraceError::Line { line: found, .. }) if found == line),
            "{text:?}"
        );
    }
}

/// Arguments of `sagate simulate`.
fn asked(arguments: &str) -> Vec<&str> {
    std::iter::once("simulate").chain(arguments.split(' ')).collect()
}

#[test]
fn the_command_says_what_it_found_or_what_was_wrong() {
    let place = Place::new(1, &[0.5]);
    let (found, code) = place.json(&asked("--rate 6 --service 0.1 --seconds 5000"));
    assert_eq!(code, 0);
    assert!((found["mean"].as_f64().unwrap() - 0.175).abs() < 0.02, "{found}");
    assert!(found["cost_an_image"].is_null());
    let table = place.run(&asked("--in-flight 2 --service 0.1 --replicas 2 --price 0.9"));
    assert!(table.stdout.contains("cost of an image"), "{table:?}");
    place.write("no_report.json", b"{}");
    let points = r#"{"one_in": 1, "from_sending_ms": 80}, {"one_in": 2, "from_sending_ms": 110}"#;
    place.write(
        "report.json",
        format!(r#"{{"all": {{"curve": [{points}]}}}}"#).as_bytes(),
    );
    for (arguments, code, words) in [
        ("--rate 0 --service 0.1", 2, &["--rate", "0"][..]),
        ("--rate 1e9 --service 1", 2, &["--rate"]),
        ("--rate 6 --service 1 --target NaN", 2, &["--target", "NaN"]),
        ("--rate 6 --service 1 --speed 0", 2, &["--speed", "0.001"]),
        ("--rate 6 --service missing.json", 1, &["missing.json"]),
        (
            "--rate 6 --service no_report.json",
            1,
            &["no_report.json", "sagate loadtest"],
        ),
        (
            "--rate 6 --service report.json --way 80",
            1,
            &["report.json", "80.0 ms"],
        ),
    ] {
        place.run(&asked(arguments)).assert_refused(code, words);
    }
    for (arguments, word) in [
        ("--rate 6 --service=-1", "0.000001"),
        ("--rate 6 --service 1 --replicas 5..2", "2..30"),
        ("--rate 6 --service 1 --lose 1", "TIME:REPLICA"),
        ("--service 1", "--rate"),
        ("--service 1", "--trace"),
        ("--service 1", "--in-flight"),
        ("--rate 6 --in-flight 2 --service 1", "cannot be used with"),
    ] {
        let ended = place.run(&asked(arguments));
        assert!(ended.code == 2 && ended.stderr.contains(word), "{ended:?}");
    }
}
