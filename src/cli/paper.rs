//! What a person's lines are written on: as wide as the terminal, coloured only there. A file or a pipe gets whole lines
//! without colours, so that `grep` finds what it looks for.

use console::{Style, Term};

/// Longer lines are hard to read, however wide the terminal is.
const WIDEST: usize = 120;

/// Narrower, and wrapping would make a column of words.
const NARROWEST: usize = 40;

/// Where lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paper {
    /// Columns; none where lines are never broken.
    width: Option<usize>,
    has_colors: bool,
}

/// What a colour stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// Cannot be said.
    Unsure,
    /// Beside the point.
    Soft,
}

impl Paper {
    /// The terminal behind stdout, or what stands in its place. `NO_COLOR` and `CLICOLOR` are respected.
    pub(crate) fn stdout() -> Self {
        let terminal = Term::stdout();
        let width = terminal.is_term().then(|| terminal.size_checked()).flatten().map(|(_, columns)| columns.into());
        Self { width, has_colors: console::colors_enabled() }
    }

    /// Columns; none where lines are never broken.
    pub(crate) fn width(self) -> Option<usize> {
        self.width
    }

    #[cfg(test)]
    pub(crate) fn plain(width: Option<usize>) -> Self {
        Self { width, has_colors: false }
    }

    /// A text in the colour of its meaning.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        let style = match tone {
            Tone::Good => Style::new().green().bold(),
            Tone::Bad => Style::new().red().bold(),
            Tone::Unsure => Style::new().yellow().bold(),
            Tone::Soft => Style::new().dim(),
        };
        style.force_styling(self.has_colors).apply_to(text).to_string()
    }

    /// A paragraph of words: the first line begins with `lead`, further ones are indented as far.
    pub(crate) fn paragraph(self, lead: &str, text: &str) -> String {
        let Some(width) = self.width else { return format!("{lead}{text}\n") };
        let indent = lead.chars().count();
        let width = width.clamp(NARROWEST.max(indent + NARROWEST / 2), WIDEST.max(indent + NARROWEST / 2));
        let mut lines = lead.to_owned();
        let mut column = indent;
        for (index, word) in text.split_whitespace().enumerate() {
            let length = word.chars().count();
            if index > 0 && column + 1 + length > width {
                lines.push('\n');
                lines.push_str(&" ".repeat(indent));
                column = indent;
            } else if index > 0 {
                lines.push(' ');
                column += 1;
            }
            lines.push_str(word);
            column += length;
        }
        lines.push('\n');
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_keeps_to_the_width_and_hangs_under_its_lead() {
        let text = "the client was told 201, and no record of purchase.completed ever appeared in topic purchases";
        let paragraph = Paper::plain(Some(44)).paragraph("    - ", text);
        assert_eq!(
            paragraph,
            "    - the client was told 201, and no record\n      of purchase.completed ever appeared in\n      topic \
             purchases\n"
        );
    }

    #[test]
    fn a_word_longer_than_the_line_is_kept_whole() {
        let word = "x".repeat(60);
        let paragraph = Paper::plain(Some(40)).paragraph("  ", &format!("a {word} b"));
        assert_eq!(paragraph, format!("  a\n  {word}\n  b\n"));
    }

    #[test]
    fn a_file_gets_whole_lines_without_colours() {
        let paper = Paper::plain(None);
        let long = "word ".repeat(100);
        assert_eq!(paper.paragraph("  ", long.trim()).lines().count(), 1);
        assert_eq!(paper.paint(Tone::Bad, "INVALID"), "INVALID");
    }
}
