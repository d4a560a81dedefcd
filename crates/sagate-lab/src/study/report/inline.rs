//! The marks within a line of text.

/// A stretch of text of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Span {
    Text(String),
    Code(String),
    Bold(Vec<Span>),
    Link { words: Vec<Span>, id: String },
}

/// Letters that a backslash makes ordinary.
const MARKS: [char; 5] = ['\\', '`', '*', '[', ']'];

/// A text in which nothing is taken for a mark.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        if MARKS.contains(&letter) {
            plain.push('\\');
        }
        plain.push(letter);
    }
    plain
}

/// A letter that an id may hold.
pub(super) fn in_id(letter: char) -> bool {
    letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '-' | '_' | '.')
}

/// The text in stretches. A mark that is not closed is an ordinary letter.
pub(super) fn parse(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if let Some((span, after)) = marked(rest) {
            if !plain.is_empty() {
                spans.push(Span::Text(std::mem::take(&mut plain)));
            }
            spans.push(span);
            rest = after;
            continue;
        }
        let next = rest[letter.len_utf8()..].chars().next();
        let letter = match next {
            Some(next) if letter == '\\' && MARKS.contains(&next) => {
                rest = &rest[1..];
                next
            }
            _ => letter,
        };
        plain.push(letter);
        rest = &rest[letter.len_utf8()..];
    }
    if !plain.is_empty() {
        spans.push(Span::Text(plain));
    }
    spans
}

/// The marked stretch at the text's beginning, and what follows it.
fn marked(text: &str) -> Option<(Span, &str)> {
    if let Some(inner) = text.strip_prefix('`') {
        let end = inner.find('`').filter(|&end| end > 0)?;
        return Some((Span::Code(inner[..end].to_owned()), &inner[end + 1..]));
    }
    if let Some(inner) = text.strip_prefix("**") {
        let end = find(inner, "**").filter(|&end| end > 0)?;
        return Some((Span::Bold(parse(&inner[..end])), &inner[end + 2..]));
    }
    let inner = text.strip_prefix('[')?;
    let end = find(inner, "](#").filter(|&end| end > 0)?;
    let target = &inner[end + 3..];
    let close = target.find(')').filter(|&close| close > 0)?;
    let id = &target[..close];
    id.chars().all(in_id).then(|| {
        let words = parse(&inner[..end]);
        let link = Span::Link {
            words,
            id: id.to_owned(),
        };
        (link, &target[close + 1..])
    })
}

/// Where a mark closes: not behind a backslash.
fn find(text: &str, mark: &str) -> Option<usize> {
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        if text[at..].starts_with(mark) {
            return Some(at);
        }
        if letter == '\\' {
            letters.next();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Span, parse, plain};

    fn text(text: &str) -> Span {
        Span::Text(text.to_owned())
    }

    #[test]
    fn marks_are_read() {
        assert_eq!(
            parse("a `b*` **c `d`** [e](#f-1), \\*"),
            [
                text("a "),
                Span::Code("b*".to_owned()),
                text(" "),
                Span::Bold(vec![text("c "), Span::Code("d".to_owned())]),
                text(" "),
                Span::Link {
                    words: vec![text("e")],
                    id: "f-1".to_owned()
                },
                text(", *"),
            ]
        );
    }

    #[test]
    fn what_is_not_closed_is_text() {
        for open in [
            "a ` b", "2 ** 3", "[0, 1]", "[a](b)", "[a](#B)", "[](#b)", "****", "\\", "``",
        ] {
            assert_eq!(parse(open), [text(open)], "{open}");
        }
    }

    proptest! {
        #[test]
        fn plain_text_comes_back_as_it_was(words in any::<String>()) {
            let spans = parse(&plain(&words));
            let expected = if words.is_empty() { vec![] } else { vec![Span::Text(words)] };
            prop_assert_eq!(spans, expected);
        }

        #[test]
        fn any_text_is_read(words in "[\\\\`*\\[\\]()#a-c ]{0,40}") {
            parse(&words);
        }
    }
}
