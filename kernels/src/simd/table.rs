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

    /// As [`Table::rows`], each with the number of its block: what [`Columns::of`] is asked by.
    #[inline(always)]
    pub fn numbered_rows<S: Simd>(
        &self,
        simd: S,
        Piece { group, index }: Piece,
        part: usize,
    ) -> impl Iterator<Item = (usize, [V<S>; C])> + use<'_, S, C> {
        let piece = self.piece(group, index);
        Numbered { block: piece.start, rows: Rows { simd, blocks: self.blocks[piece].iter(), part } }
    }
}

/// Eight rows of one column.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Eight([f64; 8]);

/// More numbers of a table's rows, whose count is known when the program runs.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    /// `[block][column]`.
    eights: Vec<Eight>,
    width: usize,
}

impl Columns {
    /// `width` columns of the rows that a [`Table`] of the same groups holds; `value` knows each row's numbers.
    pub fn new<R>(width: usize, groups: &[Vec<R>], value: impl Fn(&R, usize) -> f64) -> Self {
        let mut eights = Vec::with_capacity(groups.iter().map(|rows| rows.len().div_ceil(8)).sum::<usize>() * width);
        for eight in groups.iter().flat_map(|rows| rows.chunks(8)) {
            let last = &eight[eight.len() - 1];
            let number = |i: usize, column: usize| value(eight.get(i).unwrap_or(last), column);
            eights.extend((0..width).map(|column| Eight(std::array::from_fn(|i| number(i, column)))));
        }
        Self { eights, width }
    }

    /// Register `part` of a column of a block.
    #[inline(always)]
    pub fn of<S: Simd>(&self, simd: S, block: usize, column: usize, part: usize) -> V<S> {
        V::load(simd, &self.eights[block * self.width + column].0, part)
    }

    /// Bytes that are read once for all chains.
    pub fn bytes(&self) -> u64 {
        size_of_val(self.eights.as_slice()) as u64
    }
}

struct Numbered<'a, S, const C: usize> {
    block: usize,
    rows: Rows<'a, S, C>,
}

impl<S: Simd, const C: usize> Iterator for Numbered<'_, S, C> {
    type Item = (usize, [V<S>; C]);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let row = self.rows.next()?;
        self.block += 1;
        Some((self.block - 1, row))
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
    fn columns_lie_in_the_blocks_of_their_rows() {
        let rows: Vec<Vec<f64>> = [9, 0, 8].map(|n| (0..n).map(f64::from).collect()).to_vec();
        let columns = Columns::new(2, &rows, |row, column| 10.0 * row + column as f64);
        assert_eq!((columns.eights.len(), columns.bytes()), (6, 6 * 64));
        assert_eq!(columns.eights[1].0, [1.0, 11.0, 21.0, 31.0, 41.0, 51.0, 61.0, 71.0]);
        assert_eq!((columns.eights[2].0, columns.eights[4].0[7]), ([80.0; 8], 70.0));
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
