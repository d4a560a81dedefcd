//! Drift of scores from the calibration: two-sample Kolmogorov-Smirnov distance.

/// Two-sample Kolmogorov-Smirnov distance: the largest difference between the shares of the two samples that lie at or below one
/// value, in [0, 1]; 0 where both are distributed alike. Values that are not finite are left out. `None` where a sample is
/// empty.
pub fn kolmogorov_smirnov(a: &[f64], b: &[f64]) -> Option<f64> {
    let sorted = |values: &[f64]| {
        let mut values: Vec<f64> = values.iter().copied().filter(|it| it.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let (a, b) = (sorted(a), sorted(b));
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let at_or_below =
        |values: &[f64], value: f64| values.partition_point(|it| *it <= value) as f64 / values.len() as f64;
    let differences = a
        .iter()
        .chain(&b)
        .map(|&value| (at_or_below(&a, value) - at_or_below(&b, value)).abs());
    Some(differences.fold(0.0, f64::max))
}

/// The critical value of the distance at the 5 % level for samples of these sizes, at most 1 (Smirnov 1948):
/// `1.358 sqrt((n + m) / (n m))`. An asymptotic formula, slightly conservative for small samples.
pub fn ks_critical_value(n: usize, m: usize) -> f64 {
    let (n, m) = (n as f64, m as f64);
    (1.358 * ((n + m) / (n * m)).sqrt()).min(1.0)
}
