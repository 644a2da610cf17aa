//! Strongly connected components: nodes that lead to each other.
//!
//! Tarjan, "Depth-first search and linear graph algorithms" (1972), with a stack of its own instead of recursion.

use crate::budget::Exhausted;

use super::super::ledger::Ledger;

use super::graph::{Graph, Node, Part, Relations};

const UNSEEN: u32 = u32::MAX;

/// How many steps are taken between two looks at the budget.
const STEPS_BETWEEN_CHECKS: u64 = 1 << 16;

/// The components of a graph by some relations that hold at least two operations, each in order; the first one first.
pub(super) fn of_graph(graph: &Graph, relations: Relations, budget: &Ledger<'_>) -> Result<Vec<Vec<Node>>, Exhausted> {
    let (nodes, all) = (graph.len() as Node, graph.nodes_and_moments());
    let held = all as u64 * 20;
    budget.hold(held)?;
    let successor = |node: Node, cursor: &mut u32| graph.successor(node, relations, cursor);
    let mut components = tarjan(all, budget, successor)?;
    for component in &mut components {
        component.retain(|&node| node < nodes);
    }
    components.retain(|component| component.len() > 1);
    budget.release(held);
    Ok(tidy(components))
}

/// The components of a part when only some relations count.
pub(super) fn of_part(part: &Part, relations: Relations, budget: &Ledger<'_>) -> Result<Vec<Vec<Node>>, Exhausted> {
    let successor = |node: Node, cursor: &mut u32| {
        let rest = part.edges(node).get(*cursor as usize..)?;
        let skipped = rest.iter().position(|(_, other)| other.meets(relations))?;
        *cursor += skipped as u32 + 1;
        Some(rest[skipped].0)
    };
    let mut components = tarjan(part.rows.len(), budget, successor)?;
    components.retain(|component| component.len() > 1);
    Ok(tidy(components))
}

fn tidy(mut components: Vec<Vec<Node>>) -> Vec<Vec<Node>> {
    for component in &mut components {
        component.sort_unstable();
    }
    components.sort_unstable();
    components
}

fn tarjan(
    count: usize,
    budget: &Ledger<'_>,
    successor: impl Fn(Node, &mut u32) -> Option<Node>,
) -> Result<Vec<Vec<Node>>, Exhausted> {
    let mut order = vec![UNSEEN; count];
    let mut lowest = vec![0_u32; count];
    let mut is_open = vec![false; count];
    let (mut open, mut calls): (Vec<Node>, Vec<(Node, u32)>) = (Vec::new(), Vec::new());
    let mut components = Vec::new();
    let (mut next, mut steps) = (0_u32, 0_u64);
    for root in 0..count as Node {
        if order[root as usize] != UNSEEN {
            continue;
        }
        calls.push((root, 0));
        while let Some((node, cursor)) = calls.last_mut() {
            let node = *node;
            steps += 1;
            if steps.is_multiple_of(STEPS_BETWEEN_CHECKS) {
                budget.check()?;
            }
            if *cursor == 0 && order[node as usize] == UNSEEN {
                (order[node as usize], lowest[node as usize]) = (next, next);
                next += 1;
                is_open[node as usize] = true;
                open.push(node);
            }
            if let Some(to) = successor(node, cursor) {
                if order[to as usize] == UNSEEN {
                    calls.push((to, 0));
                } else if is_open[to as usize] {
                    lowest[node as usize] = lowest[node as usize].min(order[to as usize]);
                }
                continue;
            }
            calls.pop();
            if let Some(&(caller, _)) = calls.last() {
                lowest[caller as usize] = lowest[caller as usize].min(lowest[node as usize]);
            }
            if lowest[node as usize] == order[node as usize] {
                let start = open.iter().rposition(|&other| other == node).expect("an open node is on the stack");
                let component = open.split_off(start);
                for &node in &component {
                    is_open[node as usize] = false;
                }
                if component.len() > 1 {
                    components.push(component);
                }
            }
        }
    }
    Ok(components)
}
