//! Round numbers along an axis.

/// A mark on an axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    /// In the axis's scale.
    pub at: f64,
    pub label: String,
}

/// Multiples of 1, 2 or 5 times a power of ten between the ends, about as many as wanted.
pub(super) fn linear(low: f64, high: f64, wanted: usize) -> Vec<Tick> {
    let rough = (high - low) / wanted.max(1) as f64;
    let power = rough.log10().floor();
    let decade = 10f64.powf(power);
    let factor = match rough / decade {
        ..1.5 => 1.0,
        1.5..3.2 => 2.0,
        3.2..7.5 => 5.0,
        _ => 10.0,
    };
    let step = factor * decade;
    let digits = (-(step.log10() + 1e-9).floor()).max(0.0) as usize;
    let first = (low / step - 1e-6).ceil();
    let last = (high / step + 1e-6).floor();
    let count = (last - first).clamp(0.0, 200.0) as usize;
    (0..=count)
        .map(|index| (first + index as f64) * step)
        .filter(|at| (low - step * 1e-6..=high + step * 1e-6).contains(at))
        .map(|at| Tick {
            at,
            label: number(at, digits),
        })
        .collect()
}

/// Powers of ten between the ends (logarithms to base 10), with 2 and 5 times each where there are few; no more than
/// about as many as wanted.
pub(super) fn logarithmic(low: f64, high: f64, wanted: usize) -> Vec<Tick> {
    let decades = high - low;
    if decades < 0.5 {
        return linear(10f64.powf(low), 10f64.powf(high), wanted.min(6))
            .into_iter()
            .map(|tick| Tick {
                at: tick.at.log10(),
                label: tick.label,
            })
            .collect();
    }
    let factors: &[f64] = if decades * 3.0 <= wanted as f64 * 1.2 {
        &[1.0, 2.0, 5.0]
    } else {
        &[1.0]
    };
    let every = (decades / wanted.max(1) as f64).ceil().max(1.0) as i32;
    let (first, last) = (low.floor() as i32, high.ceil() as i32);
    (first..=last)
        .filter(|power| power.rem_euclid(every) == 0)
        .flat_map(|power| factors.iter().map(move |&factor| (power, factor)))
        .map(|(power, factor)| Tick {
            at: f64::from(power) + factor.log10(),
            label: decimal(power, factor),
        })
        .filter(|tick| (low - 1e-9..=high + 1e-9).contains(&tick.at))
        .collect()
}

/// `factor` (1, 2 or 5) times ten to a power, written out where that is short.
fn decimal(power: i32, factor: f64) -> String {
    match power {
        0..=4 => format!("{}", factor * 10f64.powi(power)),
        -4..=-1 => format!(
            "{:.1$}",
            factor * 10f64.powi(power),
            power.unsigned_abs() as usize
        ),
        _ if factor == 1.0 => format!("10{}", raised(power)),
        _ => format!("{factor}·10{}", raised(power)),
    }
}

fn raised(power: i32) -> String {
    power
        .to_string()
        .chars()
        .map(|digit| match digit {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            other => char::from_u32('⁰' as u32 + other as u32 - '0' as u32).unwrap_or(other),
        })
        .collect()
}

/// A number with so many digits after the point, or as a power of ten where that would be long; with a true minus.
pub(super) fn number(value: f64, digits: usize) -> String {
    let value = if value == 0.0 { 0.0 } else { value };
    let text = if digits > 6 || value.abs() >= 1e7 {
        format!("{value:e}")
    } else {
        format!("{value:.digits$}")
    };
    let text = if text.trim_start_matches('-').chars().all(|c| c == '0' || c == '.') {
        text.trim_start_matches('-').to_owned()
    } else {
        text
    };
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::{Tick, linear, logarithmic};

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_and_within_the_ends() {
        assert_eq!(
            labels(&linear(0.0, 1.0, 5)),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        assert_eq!(
            labels(&linear(-0.12, 0.11, 4)),
            ["−0.10", "−0.05", "0.00", "0.05", "0.10"]
        );
        assert_eq!(
            labels(&linear(0.0, 1000.0, 5)),
            ["0", "200", "400", "600", "800", "1000"]
        );
        assert_eq!(
            labels(&linear(0.3, 0.34, 4)),
            ["0.30", "0.31", "0.32", "0.33", "0.34"]
        );
    }

    #[test]
    fn logarithmic_ticks_are_powers_of_ten_with_more_where_there_is_room() {
        assert_eq!(
            labels(&logarithmic(-2.0, 2.0, 6)),
            ["0.01", "0.1", "1", "10", "100"]
        );
        assert_eq!(
            labels(&logarithmic(-1.0, 1.0, 8)),
            ["0.1", "0.2", "0.5", "1", "2", "5", "10"]
        );
        assert_eq!(
            labels(&logarithmic(4.0, 8.0, 6)),
            ["10000", "10⁵", "10⁶", "10⁷", "10⁸"]
        );
        assert_eq!(labels(&logarithmic(-7.0, -5.0, 3)), ["10⁻⁷", "10⁻⁶", "10⁻⁵"]);
        assert_eq!(
            labels(&logarithmic(0.0, 0.3, 4)),
            ["1.0", "1.2", "1.4", "1.6", "1.8"]
        );
        assert_eq!(
            labels(&logarithmic(0.0, 40.0, 4)),
            ["1", "10¹⁰", "10²⁰", "10³⁰", "10⁴⁰"]
        );
    }
}
