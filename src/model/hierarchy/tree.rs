//! The groups of all levels as one numbered list of nodes, parents before children.

use std::ops::Range;

use crate::data::{GroupLevel, Groups};

/// Nodes level by level from the top; those of the last level are the groups that likelihoods know.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub levels: Vec<GroupLevel>,
    /// Number of each level's first node, and of all nodes.
    first: Vec<usize>,
    /// Parent of each node; none on the first level.
    parent: Vec<Option<usize>>,
}

impl Tree {
    pub fn of(groups: &Groups) -> Self {
        let levels = groups.levels();
        let (mut first, mut parent) = (vec![0], Vec::new());
        for (l, level) in levels.iter().enumerate() {
            let above = l.checked_sub(1).map(|above| first[above]);
            parent.extend(level.parent.iter().map(|&p| above.map(|first| first + p)));
            first.push(parent.len());
        }
        Self { levels, first, parent }
    }

    /// Number of levels.
    pub fn depth(&self) -> usize {
        self.levels.len()
    }

    /// Number of nodes of all levels.
    pub fn len(&self) -> usize {
        self.parent.len()
    }

    /// The nodes of a level.
    pub fn nodes(&self, level: usize) -> Range<usize> {
        self.first[level]..self.first[level + 1]
    }

    /// The nodes of the last level.
    pub fn leaves(&self) -> Range<usize> {
        self.nodes(self.depth() - 1)
    }

    /// Every node with its level, parents before children.
    pub fn walk(&self) -> impl DoubleEndedIterator<Item = (usize, usize)> {
        (0..self.depth()).flat_map(|level| self.nodes(level).map(move |node| (level, node)))
    }

    /// A node's parent; none on the first level.
    pub fn parent(&self, node: usize) -> Option<usize> {
        self.parent[node]
    }

    /// A node's path.
    pub fn label(&self, level: usize, node: usize) -> &str {
        &self.levels[level].labels[node - self.first[level]]
    }
}
