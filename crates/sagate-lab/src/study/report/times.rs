//! What depends on the clock, and a report without it.

use super::{Block, Section};

/// The lines that enclose what depends on the clock, in HTML and in Markdown.
pub(super) const OPEN: &str = "<!-- times -->";
pub(super) const CLOSE: &str = "<!-- /times -->";

/// A written report (`report.html` or `report.md`) without what depends on the clock, to compare two of them.
pub fn without_times(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut within = false;
    for line in text.split_inclusive('\n') {
        match line.trim_end_matches('\n') {
            OPEN => within = true,
            CLOSE => within = false,
            _ if !within => kept.push_str(line),
            _ => {}
        }
    }
    kept
}

/// The blocks that do not depend on the clock.
pub(super) fn dropped(blocks: &[Block]) -> Vec<Block> {
    let stays = |block: &&Block| !matches!(block, Block::Times(_));
    blocks.iter().filter(stays).cloned().collect()
}

/// A section without blocks that depend on the clock.
pub(super) fn dropped_from(section: &Section) -> Section {
    Section {
        id: section.id.clone(),
        title: section.title.clone(),
        blocks: dropped(&section.blocks),
        subsections: section.subsections.iter().map(dropped_from).collect(),
    }
}
