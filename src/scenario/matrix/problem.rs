//! What is wrong in cells: each mistake once, with the key that it has in the file.

use indexmap::IndexMap;

use super::expansion::CellScenario;
use crate::scenario::validation::Finding;

/// What is wrong in cells: each mistake once, where the file has it.
#[derive(Default)]
pub struct CellProblems(IndexMap<String, CellProblem>);

struct CellProblem {
    messages: Vec<String>,
    cells: usize,
    first: String,
    is_of_an_axis: bool,
}

impl CellProblems {
    /// Takes in what is wrong in one cell.
    pub fn add(&mut self, cell: &CellScenario, findings: Vec<Finding>) {
        let mut by_place: IndexMap<String, (Vec<String>, bool)> = IndexMap::new();
        for (key, message) in findings {
            let place = cell.place_of(&key);
            let is_of_an_axis = place.is_some();
            by_place.entry(place.unwrap_or(key)).or_insert_with(|| (Vec::new(), is_of_an_axis)).0.push(message);
        }
        for (place, (messages, is_of_an_axis)) in by_place {
            let new = || CellProblem { messages, cells: 0, first: cell.name.clone(), is_of_an_axis };
            self.0.entry(place).or_insert_with(new).cells += 1;
        }
    }

    /// With the first cell that has the mistake, where others do not and the place does not say which.
    pub fn told(self, cells: usize) -> Vec<Finding> {
        let told = self.0.into_iter().flat_map(|(place, problem)| {
            let is_somewhere = !problem.is_of_an_axis && problem.cells < cells;
            let where_found = if is_somewhere { format!(" (in the cell {})", problem.first) } else { String::new() };
            problem.messages.into_iter().map(move |message| (place.clone(), format!("{message}{where_found}")))
        });
        told.collect()
    }
}
