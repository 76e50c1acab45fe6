// How the loops of a driver see a family whose parameters are its groups' own: rows, points and sums as the family declares them.
// With what else lib/lanes.wgsl lists. Counterpart: kernels/src/difference.rs.

alias LaneRow = Row;
alias LanePoint = Point;
alias Sums = Terms;

const NUMBERS: u32 = TERMS;

fn brief_sums(row: LaneRow, point: LanePoint) -> Sums {
    return brief_terms(row, point);
}

fn full_sums(row: LaneRow, point: LanePoint) -> Sums {
    return full_terms(row, point);
}

fn nothing() -> Sums {
    return Terms(0.0, vec4<f32>(0.0));
}

fn add(a: Sums, b: Sums) -> Sums {
    return Terms(a.value + b.value, a.slopes + b.slopes);
}

// The first NUMBERS are read.
fn numbers(sum: Sums) -> array<f32, 5> {
    return array<f32, 5>(sum.value, sum.slopes.x, sum.slopes.y, sum.slopes.z, sum.slopes.w);
}
