//! The numbers of tables and figures. What depends on the clock has numbers of its own, so that the others are the same
//! with it and without.

/// Counts tables and figures as they come.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    tables: Count,
    figures: Count,
}

#[derive(Debug, Default)]
struct Count {
    plain: usize,
    times: usize,
}

impl Numbers {
    /// `Table 3`, or `Table T1` for one that depends on the clock.
    pub fn table(&mut self, times: bool) -> String {
        self.tables.next("Table", times)
    }

    /// `Figure 3`, or `Figure T1` for one that depends on the clock.
    pub fn figure(&mut self, times: bool) -> String {
        self.figures.next("Figure", times)
    }
}

impl Count {
    fn next(&mut self, what: &str, times: bool) -> String {
        if times {
            self.times += 1;
            format!("{what} T{}", self.times)
        } else {
            self.plain += 1;
            format!("{what} {}", self.plain)
        }
    }
}
