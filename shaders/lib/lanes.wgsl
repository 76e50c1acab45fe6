// What every driver shader shares: lanes of rows, points of chains, and where the sums go. A shader is put together from
//   a family's file    struct Row       constants of one row at the reference
//                      struct Point     one group of one chain, as differences from the reference
//                      const TERMS      numbers per row: the value and its slopes
//                      fn brief_terms(row: Row, point: Point) -> Terms    of rows that need less arithmetic
//                      fn full_terms(row: Row, point: Point) -> Terms     of all others
//   lib/log1p_expm1.wgsl
//   this file
//   lib/plain.wgsl, or, where rows have parameters of their own, what the host writes for their terms, with
//                      struct LaneRow, LanePoint, Sums                    of which the above are parts
//                      const NUMBERS, fn numbers(sum: Sums)               the value, its slopes, then those in what groups share
//                      fn brief_sums, full_sums, nothing, add
//   lib/rows.wgsl or lib/chains.wgsl, the loops.
// Counterpart: kernels/src/difference.rs, which adds the sums of lanes in f64, in lane order.

struct Terms {
    value: f32,
    // In the family's order of parameters; those it does not have are 0.
    slopes: vec4<f32>,
}

struct Shape {
    chains: u32,
    groups: u32,
    // The first lane of this dispatch, and the row of the whole data that lies first in this buffer of rows.
    first_lane: u32,
    first_row: u32,
}

struct Lane {
    // Rows of the whole data: brief ones from first, full ones from split to just before end.
    first: u32,
    split: u32,
    end: u32,
    group: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> rows: array<LaneRow>;
@group(0) @binding(2) var<storage, read> lanes: array<Lane>;
// [group, chain]
@group(0) @binding(3) var<storage, read> points: array<LanePoint>;
// [lane, number, chain]
@group(0) @binding(4) var<storage, read_write> sums: array<f32>;
