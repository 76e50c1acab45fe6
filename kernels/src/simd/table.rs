//! Rows of several numbers, sorted by group and cut into blocks of eight: what a register loads. What a row means is its
//! family's business.

use std::ops::Range;

use pulp::Simd;

use super::driver::Piece;
use super::vector::V;

/// Blocks of a table in one piece of work: 1024 rows, which stay in the first cache level or near it while all chains read them.
pub(super) const PIECE_BLOCKS: usize = 128;

/// Eight rows of `C` numbers, column by column.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Block<const C: usize>([[f64; 8]; C]);

/// The rows of every group, each group's padded to whole blocks by copies of its last row that weigh nothing.
#[derive(Debug, Clone)]
pub(crate) struct Table<const C: usize> {
    blocks: Vec<Block<C>>,
    /// Per group, its first block; and the end of the last.
    first: Vec<usize>,
}

impl<const C: usize> Table<C> {
    /// The tables of groups one after another; `weightless` makes of a row one that adds nothing to any sum.
    pub fn new(groups: impl IntoIterator<Item = Vec<[f64; C]>>, weightless: impl Fn([f64; C]) -> [f64; C]) -> Self {
        let mut table = Self { blocks: Vec::new(), first: vec![0] };
        for rows in groups {
            for eight in rows.chunks(8) {
                let row = |i: usize| eight.get(i).copied().unwrap_or_else(|| weightless(eight[eight.len() - 1]));
                table.blocks.push(Block(std::array::from_fn(|c| std::array::from_fn(|i| row(i)[c]))));
            }
            table.first.push(table.blocks.len());
        }
        table
    }

    pub fn n_groups(&self) -> usize {
        self.first.len() - 1
    }

    /// Blocks of a group.
    pub fn blocks_of(&self, group: usize) -> usize {
        self.first[group + 1] - self.first[group]
    }

    /// Bytes that are read once for all chains.
    pub fn bytes(&self) -> u64 {
        size_of_val(self.blocks.as_slice()) as u64
    }

    fn piece(&self, group: usize, index: usize) -> Range<usize> {
        let (first, end) = (self.first[group], self.first[group + 1]);
        let start = end.min(first + index * PIECE_BLOCKS);
        start..end.min(start + PIECE_BLOCKS)
    }

    /// Register `part` of the rows in a piece, one block after another.
    #[inline(always)]
    pub fn rows<S: Simd>(
        &self,
        simd: S,
        Piece { group, index }: Piece,
        part: usize,
    ) -> impl Iterator<Item = [V<S>; C]> + use<'_, S, C> {
        let blocks = &self.blocks[self.piece(group, index)];
        Rows { simd, blocks: blocks.iter(), part }
    }
}

struct Rows<'a, S, const C: usize> {
    simd: S,
    blocks: std::slice::Iter<'a, Block<C>>,
    part: usize,
}

impl<S: Simd, const C: usize> Iterator for Rows<'_, S, C> {
    type Item = [V<S>; C];

    #[inline(always)]
    fn next(&mut self) -> Option<[V<S>; C]> {
        let Block(columns) = self.blocks.next()?;
        Some(load(self.simd, columns, self.part))
    }
}

/// Register `part` of every column.
#[inline(always)]
fn load<S: Simd, const C: usize>(simd: S, columns: &[[f64; 8]; C], part: usize) -> [V<S>; C] {
    let mut row = [V::splat(simd, 0.0); C];
    for (register, column) in row.iter_mut().zip(columns) {
        *register = V::load(simd, column, part);
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_padded_with_rows_that_weigh_nothing() {
        let rows = |n: usize| (0..n).map(|i| [i as f64, 1.0]).collect::<Vec<_>>();
        let table = Table::new([rows(9), rows(0), rows(8)], |[x, _]| [x, 0.0]);
        assert_eq!((table.n_groups(), table.blocks.len(), table.bytes()), (3, 3, 3 * 128));
        assert_eq!((0..3).map(|g| table.blocks_of(g)).collect::<Vec<_>>(), [2, 0, 1]);
        assert_eq!(table.blocks[1].0, [[8.0; 8], [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]);
        assert_eq!((table.piece(0, 0), table.piece(0, 1), table.piece(1, 0)), (0..2, 2..2, 2..2));
    }

    #[test]
    fn long_groups_are_cut_into_pieces() {
        let table = Table::new([vec![[1.0]; 8], vec![[1.0]; 8 * PIECE_BLOCKS + 1]], |_| [0.0]);
        let of_second: Vec<_> = (0..3).map(|i| table.piece(1, i)).collect();
        assert_eq!(
            of_second,
            [1..1 + PIECE_BLOCKS, 1 + PIECE_BLOCKS..2 + PIECE_BLOCKS, 2 + PIECE_BLOCKS..2 + PIECE_BLOCKS]
        );
    }
}
