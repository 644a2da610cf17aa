//! A diagram is drawn twice, for a wide screen and for a narrow one; the page shows the one that fits.

/// For which screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Beside another.
    Wide,
    /// A telephone: narrow cells, names in two storeys, headings on end.
    Narrow,
}

impl Size {
    /// The class of its drawing, and what makes its ids its own.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wide => "wide",
            Self::Narrow => "narrow",
        }
    }

    /// Height above the lifelines: their names, and beside them the headings of the cells, if there are any.
    pub fn head(self, has_cells: bool) -> f64 {
        match (self, has_cells) {
            (Self::Wide, true) => 52.0,
            (Self::Narrow, true) => 102.0,
            (Self::Wide, false) => 26.0,
            (Self::Narrow, false) => 39.0,
        }
    }

    /// The least room between two lifelines.
    pub fn between(self) -> f64 {
        match self {
            Self::Wide => 74.0,
            Self::Narrow => 34.0,
        }
    }

    /// In how many storeys the names of the lifelines stand.
    pub fn storeys(self) -> usize {
        match self {
            Self::Wide => 1,
            Self::Narrow => 2,
        }
    }

    /// Room for the row's number.
    pub fn number(self) -> f64 {
        match self {
            Self::Wide => 24.0,
            Self::Narrow => 14.0,
        }
    }

    /// A title that passes the last lifeline may take this much before it is moved to the left.
    pub fn overhang(self) -> f64 {
        match self {
            Self::Wide => 72.0,
            Self::Narrow => 26.0,
        }
    }

    /// From one column of cells to the next.
    pub fn pitch(self) -> f64 {
        match self {
            Self::Wide => 48.0,
            Self::Narrow => 23.0,
        }
    }

    /// Between two cells.
    pub fn gap(self) -> f64 {
        match self {
            Self::Wide => 6.0,
            Self::Narrow => 3.0,
        }
    }

    /// About the width of a letter.
    pub fn letter(self) -> f64 {
        match self {
            Self::Wide => 6.4,
            Self::Narrow => 5.4,
        }
    }
}
