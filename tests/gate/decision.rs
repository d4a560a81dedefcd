//! The gate: thresholds from a calibration, requests within a policy, and decisions that fail closed.

use proptest::prelude::*;
use sagate_core::gate::{By, Calibration, Entry, FORMAT, Policy, QcInputs, Reason, UnitScores, decide};

fn calibration(scores: &[f64]) -> Calibration {
    let entry = |(index, &mu): (usize, &f64)| Entry {
        name: format!("image-{index}"),
        mu,
        score: None,
        dice: None,
    };
    Calibration {
        format: FORMAT,
        model: "test".into(),
        model_version: 1,
        data: "made up".into(),
        created: "2026-01-31".into(),
        seed: Some(7),
        coverage: 0.9,
        entries: scores.iter().enumerate().map(entry).collect(),
        score: None,
    }
}

fn evidence(mu: f64) -> QcInputs {
    QcInputs {
        mu,
        score: None,
        empty: false,
        full: false,
        input_in_range: true,
    }
}

fn at(coverage: f64) -> Policy {
    Policy {
        coverage: Some(coverage),
        ..Policy::default()
    }
}

fn scores() -> impl Strategy<Value = Vec<f64>> {
    // Coarse values, so that there are ties.
    prop::collection::vec((0..=20u8).prop_map(|it| f64::from(it) / 20.0), 1..60)
}

fn accepted(calibration: &Calibration, coverage: f64) -> usize {
    let pass = |it: &&Entry| decide(&evidence(it.mu), Some(calibration), &at(coverage)).accept;
    calibration.entries.iter().filter(pass).count()
}

proptest! {
    #[test]
    fn at_least_the_coverage_passes_and_no_higher_threshold_would_do(scores in scores(), coverage in 0.001..0.999f64) {
        let calibration = calibration(&scores);
        let threshold = calibration.threshold(coverage);
        prop_assert!(scores.contains(&threshold), "the threshold is a score of the calibration");
        prop_assert!(calibration.acceptance_rate(threshold) >= coverage);
        let above = scores.iter().copied().filter(|&it| it > threshold).count() as f64 / scores.len() as f64;
        prop_assert!(above < coverage, "a higher threshold would let {above} pass");
        prop_assert_eq!(accepted(&calibration, coverage) as f64 / scores.len() as f64, calibration.acceptance_rate(threshold));
    }

    #[test]
    fn without_ties_exactly_the_least_number_passes(count in 1..200usize, wanted in 0..200usize) {
        let wanted = wanted.min(count);
        let scores: Vec<f64> = (0..count).map(|it| it as f64 / 200.0).collect();
        prop_assert_eq!(accepted(&calibration(&scores), wanted as f64 / count as f64), wanted);
    }

    #[test]
    fn more_coverage_never_accepts_less(scores in scores(), a in 0.0..=1.0f64, b in 0.0..=1.0f64) {
        let calibration = calibration(&scores);
        let (low, high) = (a.min(b), a.max(b));
        prop_assert!(calibration.threshold(high) <= calibration.threshold(low));
        prop_assert!(accepted(&calibration, low) <= accepted(&calibration, high));
    }

    #[test]
    fn a_decision_accepts_exactly_when_it_has_no_reason(
        scores in scores(), mu in prop::num::f64::ANY, coverage in 0.0..=1.0f64, flags in prop::array::uniform6(any::<bool>())
    ) {
        let [empty, full, input_in_range, accept_empty, accept_uncalibrated, calibrated] = flags;
        let calibration = calibration(&scores);
        let policy = Policy { accept_empty, accept_uncalibrated, ..at(coverage) };
        let decision = decide(
            &QcInputs { mu, score: None, empty, full, input_in_range }, calibrated.then_some(&calibration), &policy,
        );
        prop_assert_eq!(decision.accept, decision.reasons.is_empty());
        if decision.accept {
            prop_assert!(mu.is_finite() && input_in_range);
            prop_assert!(accept_empty || !(empty || full));
            prop_assert!(calibrated || accept_uncalibrated);
            prop_assert!(empty || full || decision.threshold.is_none_or(|threshold| mu >= threshold));
        }
    }

    #[test]
    fn unit_scores_come_back_to_the_byte(rows in prop::collection::vec(prop::collection::vec(0.0..=1.0f64, 5), 1..8)) {
        let rows: Vec<(String, Vec<f64>)> =
            rows.into_iter().enumerate().map(|(index, row)| (format!("slice \"{index}\""), row)).collect();
        let written = UnitScores::new(&rows).unwrap();
        let read = UnitScores::from_bytes(&written.to_bytes().unwrap(), "test").unwrap();
        prop_assert_eq!(&read, &written);
        for (image, (name, row)) in rows.iter().enumerate() {
            prop_assert_eq!(&read.names()[image], name);
            for (unit, score) in row.iter().enumerate() {
                prop_assert!((read.score(image, unit).unwrap() - score).abs() <= 0.5 / 255.0 + 1e-12);
            }
        }
    }
}

#[test]
fn the_quantile_is_the_one_the_documentation_states() {
    let ten: Vec<f64> = (1..=10).map(|it| f64::from(it) / 10.0).collect();
    let calibration = calibration(&ten);
    // 0.7 * 10 is a hair more than 7 in floating point; seven images are enough all the same.
    for (coverage, threshold) in [(0.9, 0.2), (0.7, 0.4), (0.71, 0.3), (0.05, 1.0), (0.999, 0.1)] {
        assert_eq!(calibration.threshold(coverage), threshold, "coverage {coverage}");
    }
}

#[test]
fn coverage_one_passes_all_that_is_finite_and_zero_nothing() {
    let calibration = calibration(&[0.5, 0.6]);
    for mu in [-1.0, 0.0, 0.1, 0.6, 1.0] {
        assert!(decide(&evidence(mu), Some(&calibration), &at(1.0)).accept);
        assert_eq!(
            decide(&evidence(mu), Some(&calibration), &at(0.0)).reasons,
            [Reason::BelowThreshold]
        );
    }
    let empty = QcInputs {
        score: None,
        mu: 0.0,
        empty: true,
        full: false,
        input_in_range: true,
    };
    assert_eq!(
        decide(&empty, Some(&calibration), &at(1.0)).reasons,
        [Reason::EmptyPrediction]
    );
    let waived = Policy {
        accept_empty: true,
        ..at(0.9)
    };
    assert!(decide(&empty, Some(&calibration), &waived).accept);
    assert!(
        !decide(
            &empty,
            Some(&calibration),
            &Policy {
                coverage: Some(0.0),
                ..waived
            }
        )
        .accept
    );
}

#[test]
fn what_is_not_finite_never_passes() {
    let calibration = calibration(&[0.5]);
    let loosest = Policy {
        accept_empty: true,
        accept_uncalibrated: true,
        ..at(1.0)
    };
    for mu in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for known in [Some(&calibration), None] {
            assert_eq!(
                decide(&evidence(mu), known, &loosest).reasons,
                [Reason::NotFinite]
            );
        }
    }
    assert_eq!(calibration.threshold(f64::NAN), f64::INFINITY);
    assert_eq!(calibration.threshold(1.5), f64::INFINITY);
}

#[test]
fn a_missing_calibration_rejects_unless_waived() {
    let decision = decide(&evidence(0.99), None, &Policy::default());
    assert_eq!(
        (decision.accept, decision.threshold, decision.coverage),
        (false, None, None)
    );
    assert_eq!(decision.reasons, [Reason::NotCalibrated]);
    let waived = Policy {
        accept_uncalibrated: true,
        ..Policy::default()
    };
    assert!(decide(&evidence(0.01), None, &waived).accept);
    assert!(
        !decide(
            &evidence(0.01),
            None,
            &Policy {
                coverage: Some(0.0),
                ..waived
            }
        )
        .accept
    );
    let asked = waived.with_request(None, Some(0.5)).unwrap();
    assert_eq!(
        decide(&evidence(0.49), None, &asked).reasons,
        [Reason::BelowThreshold]
    );
    let all = decide(
        &QcInputs {
            mu: 0.1,
            score: None,
            empty: false,
            full: true,
            input_in_range: false,
        },
        None,
        &Policy::default(),
    );
    assert_eq!(
        all.reasons,
        [
            Reason::InputOutOfRange,
            Reason::FullPrediction,
            Reason::NotCalibrated
        ]
    );
}

/// Where the gate compares the quality score, mu decides nothing, and what has no such score never passes.
#[test]
fn the_gate_can_judge_the_score_beside_mu() {
    let mut calibration = calibration(&[0.9, 0.8, 0.7, 0.6]);
    for (entry, score) in calibration.entries.iter_mut().zip([0.1, 0.2, 0.3, 0.4]) {
        entry.score = Some(score);
    }
    let check = |score: Option<f64>, policy: &Policy| {
        let evidence = QcInputs {
            score,
            ..evidence(0.0)
        };
        decide(&evidence, Some(&calibration), policy)
    };
    let by_score = Policy {
        by: By::Score,
        ..at(0.5)
    };
    let decision = check(Some(0.3), &by_score);
    assert!(decision.accept, "{decision:?}");
    assert_eq!((decision.by, decision.threshold), (By::Score, Some(0.3)));
    assert_eq!(check(Some(0.29), &by_score).reasons, [Reason::BelowThreshold]);
    assert_eq!(check(Some(f64::NAN), &by_score).reasons, [Reason::NotFinite]);
    assert_eq!(
        check(Some(0.9), &at(0.5)).reasons,
        [Reason::BelowThreshold],
        "mu by default"
    );
    let waived = Policy {
        accept_uncalibrated: true,
        ..by_score
    };
    for policy in [
        by_score,
        waived,
        Policy {
            coverage: Some(1.0),
            ..waived
        },
    ] {
        assert!(
            check(None, &policy).reasons.contains(&Reason::NotCalibrated),
            "{policy:?}"
        );
    }
    assert!(
        !decide(&evidence(1.0), None, &waived).accept,
        "no score, no calibration"
    );
}

#[test]
fn a_request_gets_what_the_policy_allows() {
    let calibration = calibration(&[0.2, 0.4, 0.6, 0.8]);
    let policy = Policy {
        allowed_coverage: [0.5, 0.95],
        allowed_threshold: [0.3, 1.0],
        ..Policy::default()
    };
    let by_default = decide(
        &evidence(0.2),
        Some(&calibration),
        &policy.with_request(None, None).unwrap(),
    );
    assert_eq!(
        (by_default.threshold, by_default.coverage),
        (Some(0.2), Some(0.9))
    );
    let narrower = decide(
        &evidence(0.4),
        Some(&calibration),
        &policy.with_request(Some(0.5), None).unwrap(),
    );
    assert_eq!((narrower.accept, narrower.threshold), (false, Some(0.6)));
    let by_threshold = decide(
        &evidence(0.4),
        Some(&calibration),
        &policy.with_request(None, Some(0.4)).unwrap(),
    );
    assert_eq!(
        (by_threshold.accept, by_threshold.threshold, by_threshold.coverage),
        (true, Some(0.4), None)
    );
    for (coverage, threshold, says) in [
        (
            Some(1.0),
            None,
            "coverage is 1: it must lie from 0.5 to 0.95 (setting gate.allowed_coverage)",
        ),
        (Some(f64::NAN), None, "coverage is NaN"),
        (None, Some(0.1), "threshold is 0.1: it must lie from 0.3 to 1"),
        (Some(0.9), Some(0.5), "were both asked for"),
    ] {
        let error = policy.with_request(coverage, threshold).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn reasons_have_the_same_name_in_text_and_in_json() {
    for reason in Reason::ALL {
        assert_eq!(serde_json::to_string(&reason).unwrap(), format!("\"{reason}\""));
    }
}

#[test]
fn a_calibration_comes_back_and_a_bad_one_names_its_field() {
    let good = calibration(&[0.25, 1.0 / 3.0]);
    let text = good.to_json().unwrap();
    assert_eq!(Calibration::parse(&text, "calibration.json").unwrap(), good);
    for (from, to, says) in [
        ("\"format\": 1", "\"format\": 2", "field `format`: it is 2"),
        (
            "\"coverage\": 0.9",
            "\"coverage\": 1.9",
            "field `coverage`: it is 1.9",
        ),
        ("\"coverage\": 0.9", "\"covrage\": 0.9", "unknown field `covrage`"),
        ("\"mu\": 0.25", "\"mu\": null", "line"),
        (
            "\"mu\": 0.25",
            "\"mu\": 0.25, \"dice\": 3",
            "field `entries[0].dice`",
        ),
    ] {
        assert!(text.contains(from), "{text}");
        let error = Calibration::parse(&text.replace(from, to), "calibration.json")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(says) && error.contains("calibration.json"),
            "{error}"
        );
    }
    let none = calibration(&[]).to_json().unwrap_err().to_string();
    assert!(none.contains("field `entries`: it is empty"), "{none}");
    assert!(
        calibration(&[f64::NAN])
            .to_json()
            .unwrap_err()
            .to_string()
            .contains("entries[0].mu")
    );
}

#[test]
fn bad_unit_scores_are_refused_by_name() {
    let row = |name: &str, scores: &[f64]| (name.to_string(), scores.to_vec());
    let ragged = UnitScores::new(&[row("a", &[0.1, 0.2]), row("b", &[0.1])])
        .unwrap_err()
        .to_string();
    assert!(ragged.contains("`b`"), "{ragged}");
    assert!(
        UnitScores::new(&[row("a", &[f64::NAN])])
            .unwrap_err()
            .to_string()
            .contains("NaN")
    );
    let whole = UnitScores::new(&[row("a", &[0.1, 0.2])])
        .unwrap()
        .to_bytes()
        .unwrap();
    for length in [0, 4, 20, whole.len() - 1] {
        let error = UnitScores::from_bytes(&whole[..length], "calibration.safetensors")
            .unwrap_err()
            .to_string();
        assert!(error.contains("calibration.safetensors"), "{error}");
    }
}
