//! Some customers as parallel columns, on their way from a source to `summary.parquet`, and their bytes in a sorted run. Nothing
//! here knows how they came about or what will read them.

use super::ids::Ids;

/// Marks a customer without a value in the grouping column.
pub(super) const NO_LABEL: u32 = u32::MAX;

/// Which of the optional columns rows have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// The row's place in the source: needed where a customer may come twice.
    pub(super) addressed: bool,
    /// The day of the first purchase.
    pub(super) dated: bool,
    /// Purchases and spend in the holdout window.
    pub(super) held_out: bool,
}

impl Shape {
    /// Bytes of a row beside its identifier and the length of it.
    pub(super) fn fixed_bytes(self) -> usize {
        32 + 8 * usize::from(self.addressed) + 4 * usize::from(self.dated) + 12 * usize::from(self.held_out)
    }
}

/// One customer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct CustomerRow<'a> {
    /// Identifier.
    pub(super) id: &'a str,
    /// Place in the source, growing with file and line.
    pub(super) at: u64,
    /// Days since 1970-01-01 of the first purchase.
    pub(super) first: i32,
    /// x.
    pub(super) frequency: u32,
    /// t_x, time units.
    pub(super) recency: f64,
    /// T, time units.
    pub(super) age: f64,
    /// m, currency.
    pub(super) monetary: f64,
    /// Index of the value of the grouping column, or [`NO_LABEL`].
    pub(super) label: u32,
    /// Purchases in the holdout window.
    pub(super) holdout_purchases: u32,
    /// Spend in the holdout window, currency.
    pub(super) holdout_spend: f64,
}

/// Customers, as parallel columns; those that the shape leaves out are empty.
#[derive(Debug, Clone)]
pub(super) struct CustomerRows {
    pub(super) shape: Shape,
    pub(super) id: Ids,
    pub(super) at: Vec<u64>,
    pub(super) first: Vec<i32>,
    pub(super) frequency: Vec<u32>,
    pub(super) recency: Vec<f64>,
    pub(super) age: Vec<f64>,
    pub(super) monetary: Vec<f64>,
    pub(super) label: Vec<u32>,
    pub(super) holdout_purchases: Vec<u32>,
    pub(super) holdout_spend: Vec<f64>,
}

impl CustomerRows {
    /// No customers.
    pub(super) fn new(shape: Shape) -> Self {
        Self {
            shape,
            id: Ids::default(),
            at: Vec::new(),
            first: Vec::new(),
            frequency: Vec::new(),
            recency: Vec::new(),
            age: Vec::new(),
            monetary: Vec::new(),
            label: Vec::new(),
            holdout_purchases: Vec::new(),
            holdout_spend: Vec::new(),
        }
    }

    /// Number of customers.
    pub(super) fn len(&self) -> usize {
        self.frequency.len()
    }

    /// Appends one.
    pub(super) fn push(&mut self, row: CustomerRow<'_>) {
        self.id.push(row.id);
        if self.shape.addressed {
            self.at.push(row.at);
        }
        if self.shape.dated {
            self.first.push(row.first);
        }
        self.frequency.push(row.frequency);
        self.recency.push(row.recency);
        self.age.push(row.age);
        self.monetary.push(row.monetary);
        self.label.push(row.label);
        if self.shape.held_out {
            self.holdout_purchases.push(row.holdout_purchases);
            self.holdout_spend.push(row.holdout_spend);
        }
    }

    /// Customer number `i`.
    pub(super) fn row(&self, i: usize) -> CustomerRow<'_> {
        CustomerRow {
            id: &self.id[i],
            at: self.at.get(i).copied().unwrap_or_default(),
            first: self.first.get(i).copied().unwrap_or_default(),
            frequency: self.frequency[i],
            recency: self.recency[i],
            age: self.age[i],
            monetary: self.monetary[i],
            label: self.label[i],
            holdout_purchases: self.holdout_purchases.get(i).copied().unwrap_or_default(),
            holdout_spend: self.holdout_spend.get(i).copied().unwrap_or_default(),
        }
    }

    /// Whether every identifier is greater than the one before, bytewise.
    pub(super) fn is_strictly_sorted(&self) -> bool {
        self.id.iter().is_sorted_by(|a, b| a < b)
    }

    /// The rows' numbers by identifier, equal ones by their place in the source.
    fn order(&self) -> Vec<u32> {
        let mut keys: Vec<(u64, u32)> = self.id.iter().zip(0..).map(|(id, i)| (prefix(id.as_bytes()), i)).collect();
        let full = |i: u32| (&self.id[i as usize], self.at.get(i as usize));
        keys.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| full(a.1).cmp(&full(b.1))));
        keys.into_iter().map(|(_, i)| i).collect()
    }

    /// The rows as the bytes of a sorted run.
    pub(super) fn run_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len() * (self.shape.fixed_bytes() + 12));
        if self.is_strictly_sorted() {
            (0..self.len()).for_each(|i| encode(&self.row(i), self.shape, &mut out));
        } else {
            self.order().into_iter().for_each(|i| encode(&self.row(i as usize), self.shape, &mut out));
        }
        out
    }
}

/// The first eight bytes as a number that sorts as they do; a shorter text sorts as if zeros followed.
pub(super) fn prefix(bytes: &[u8]) -> u64 {
    let mut eight = [0; 8];
    let length = bytes.len().min(8);
    eight[..length].copy_from_slice(&bytes[..length]);
    u64::from_be_bytes(eight)
}

fn encode(row: &CustomerRow<'_>, shape: Shape, out: &mut Vec<u8>) {
    out.extend((row.id.len() as u32).to_le_bytes());
    out.extend(row.id.as_bytes());
    if shape.addressed {
        out.extend(row.at.to_le_bytes());
    }
    if shape.dated {
        out.extend(row.first.to_le_bytes());
    }
    out.extend(row.frequency.to_le_bytes());
    for number in [row.recency, row.age, row.monetary] {
        out.extend(number.to_le_bytes());
    }
    out.extend(row.label.to_le_bytes());
    if shape.held_out {
        out.extend(row.holdout_purchases.to_le_bytes());
        out.extend(row.holdout_spend.to_le_bytes());
    }
}

/// Reads the row that [`encode`] wrote from the beginning of `bytes`, which hold all of it; `None` when they do not.
pub(super) fn decode(bytes: &[u8], shape: Shape) -> Option<CustomerRow<'_>> {
    let mut rest = bytes;
    let length = u32::from_le_bytes(take(&mut rest)?) as usize;
    let (id, after) = rest.split_at_checked(length)?;
    rest = after;
    Some(CustomerRow {
        id: std::str::from_utf8(id).ok()?,
        at: if shape.addressed { u64::from_le_bytes(take(&mut rest)?) } else { 0 },
        first: if shape.dated { i32::from_le_bytes(take(&mut rest)?) } else { 0 },
        frequency: u32::from_le_bytes(take(&mut rest)?),
        recency: f64::from_le_bytes(take(&mut rest)?),
        age: f64::from_le_bytes(take(&mut rest)?),
        monetary: f64::from_le_bytes(take(&mut rest)?),
        label: u32::from_le_bytes(take(&mut rest)?),
        holdout_purchases: if shape.held_out { u32::from_le_bytes(take(&mut rest)?) } else { 0 },
        holdout_spend: if shape.held_out { f64::from_le_bytes(take(&mut rest)?) } else { 0.0 },
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_sorted_and_rows_come_back_whole_in_every_shape() {
        let ids = ["b", "a", "", "abcdefgh", "abcdefghi", "b\0", "Ä", "a"];
        for bits in 0..8_u8 {
            let shape = Shape { addressed: bits & 1 > 0, dated: bits & 2 > 0, held_out: bits & 4 > 0 };
            let mut rows = CustomerRows::new(shape);
            for (i, id) in ids.iter().enumerate() {
                let number = i as f64 + 0.5;
                rows.push(CustomerRow {
                    id,
                    at: i as u64,
                    first: -(i as i32),
                    frequency: i as u32,
                    recency: number,
                    age: number + 1.0,
                    monetary: number + 2.0,
                    label: NO_LABEL,
                    holdout_purchases: 7,
                    holdout_spend: number + 3.0,
                });
            }
            let bytes = rows.run_bytes();
            let mut rest = &bytes[..];
            let mut seen = Vec::new();
            while let Some(row) = decode(rest, shape) {
                assert_eq!(row, rows.row(row.frequency as usize));
                seen.push((row.id, row.frequency));
                rest = &rest[4 + row.id.len() + shape.fixed_bytes()..];
            }
            assert!(rest.is_empty() && seen.len() == ids.len());
            assert!(seen.is_sorted_by_key(|(id, _)| *id), "{seen:?}");
            assert!(!shape.addressed || seen[1..3] == [("a", 1), ("a", 7)]);
        }
    }
}
