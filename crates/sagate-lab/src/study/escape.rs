//! Escaping of text for XML, HTML and Markdown.

/// A text as content or attribute of XML and HTML; what XML has no sign for becomes the replacement sign.
pub(super) fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' => escaped.push(letter),
            // HTML takes the controls of Latin-1 for errors, XML those below the space and the two last of the plane.
            _ if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            _ => escaped.push(letter),
        }
    }
    escaped
}

/// The text on one line, escaped for Markdown and HTML.
pub(super) fn markdown(words: &str) -> String {
    const MARKS: &str = "\\`*_[]<>|~&#$!";
    let words = one_line(words);
    let mut escaped = String::with_capacity(words.len());
    // Only at a line's beginning are these a list, a rule or a heading's underline.
    let number = words.find(|letter: char| !letter.is_ascii_digit());
    for (at, letter) in words.char_indices() {
        let begins = match letter {
            '-' | '+' | '=' => at == 0,
            '.' | ')' => {
                Some(at) == number && at > 0 && !words[at + 1..].starts_with(|next: char| next != ' ')
            }
            _ => false,
        };
        if begins || MARKS.contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

/// Without line breaks and other controls.
pub(super) fn one_line(words: &str) -> String {
    words
        .chars()
        .map(|letter| match letter {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
            _ if letter.is_control() => '\u{fffd}',
            _ => letter,
        })
        .collect()
}
