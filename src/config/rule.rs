//! What a right value of a setting is: the words for it and the check, made together so that they cannot disagree.

use std::ffi::OsStr;
use std::ops::{Bound, RangeBounds, RangeInclusive};

use clap::ValueEnum;

/// What a setting of type `T` must be.
pub(super) struct Rule<T> {
    /// What a right value is, as it stands after "it must be".
    pub words: String,
    admits: Box<dyn Fn(&T) -> bool>,
}

impl<T: 'static> Rule<T> {
    /// A rule with a check of its own.
    pub fn new(words: impl Into<String>, admits: impl Fn(&T) -> bool + 'static) -> Rule<T> {
        Rule {
            words: words.into(),
            admits: Box::new(admits),
        }
    }

    /// Whether a value keeps the rule.
    pub fn admits(&self, value: &T) -> bool {
        (self.admits)(value)
    }

    /// Adds words about other settings, which the section itself checks.
    pub fn with(mut self, relation: &str) -> Rule<T> {
        self.words.push_str(relation);
        self
    }
}

/// Any value of the type.
pub(super) fn any<T: 'static>(words: &str) -> Rule<T> {
    Rule::new(words, |_| true)
}

/// Yes or no.
pub(super) fn switch() -> Rule<bool> {
    any("true or false")
}

/// Text that is not empty.
pub(super) fn filled<T: AsRef<OsStr> + 'static>(words: &str) -> Rule<T> {
    Rule::new(words, |text: &T| !text.as_ref().is_empty())
}

/// One of the names of an enumeration.
pub(super) fn one_of<T: ValueEnum + 'static>() -> Rule<T> {
    let names = T::value_variants().iter().filter_map(T::to_possible_value);
    let names: Vec<String> = names.map(|name| format!("{:?}", name.get_name())).collect();
    let words = match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => names.concat(),
    };
    any(&words)
}

/// A whole number in a range.
pub(super) fn whole<T>(range: impl RangeBounds<u64> + 'static) -> Rule<T>
where
    T: Copy + TryInto<u64> + 'static,
{
    let first = first(&range);
    let words = match last(&range) {
        Some(last) => format!("a whole number from {first} to {last}"),
        None => format!("a whole number of at least {first}"),
    };
    Rule::new(words, inside(range))
}

/// A whole number from 0, which means something of its own.
pub(super) fn zero_or<T>(zero: &str, range: impl RangeBounds<u64> + 'static) -> Rule<T>
where
    T: Copy + TryInto<u64> + 'static,
{
    let words = match last(&range) {
        Some(last) => format!("a whole number from 0 ({zero}) to {last}"),
        None => format!("a whole number from 0 ({zero})"),
    };
    Rule::new(words, inside(range))
}

/// A number in a range; `unit` stands behind "a number", and `zero` is what 0 means.
pub(super) fn number(unit: &str, zero: &str, range: RangeInclusive<f64>) -> Rule<f64> {
    let words = format!("a number{unit} from {}{zero} to {}", range.start(), range.end());
    Rule::new(words, move |value| range.contains(value))
}

/// Two ascending numbers from 0 to 1.
pub(super) fn share_range(example: &str) -> Rule<[f64; 2]> {
    let words = format!("two ascending numbers from 0 to 1, like {example}");
    Rule::new(words, |&[low, high]: &[f64; 2]| {
        (0.0..=1.0).contains(&low) && low <= high && high <= 1.0
    })
}

fn inside<T: Copy + TryInto<u64>>(range: impl RangeBounds<u64>) -> impl Fn(&T) -> bool {
    move |&value| value.try_into().is_ok_and(|value| range.contains(&value))
}

fn first(range: &impl RangeBounds<u64>) -> u64 {
    match range.start_bound() {
        Bound::Included(&first) => first,
        Bound::Excluded(&before) => before + 1,
        Bound::Unbounded => 0,
    }
}

fn last(range: &impl RangeBounds<u64>) -> Option<u64> {
    match range.end_bound() {
        Bound::Included(&last) => Some(last),
        Bound::Excluded(&after) => after.checked_sub(1),
        Bound::Unbounded => None,
    }
}
