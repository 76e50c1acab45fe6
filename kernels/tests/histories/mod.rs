//! Simulated histories at counted opportunities, for the tests of BG/BB.

use longrun_kernels::bg_bb::Rows;
use longrun_kernels::rng::{Purpose, Stream};

/// Parameters near those of the published donations.
pub const CENTRE: [f64; 4] = [1.2, 0.8, 0.7, 2.8];

/// `count` histories of `groups` groups, mixed and unsorted, with n anywhere from 1 to `most`, small n more often, and every
/// kind of (x, t_x); weights are small whole numbers, and a share `heavy` of the rows weighs a hundred thousand.
pub fn histories(groups: u32, count: u64, most: u32, heavy: f64) -> Rows {
    let mut rows = Rows { n_groups: groups as usize, ..Default::default() };
    for i in 0..count {
        let mut stream = Stream::new(21, Purpose::Test, i, 0);
        let mut uniform = || stream.uniform();
        let n = 1 + (f64::from(most) * uniform() * uniform()) as u32;
        let t_x = (f64::from(n + 1) * uniform()) as u32;
        let x = if t_x == 0 { 0 } else { 1 + (f64::from(t_x) * uniform()) as u32 };
        rows.group.push((uniform() * f64::from(groups)) as u32);
        rows.frequency.push(x);
        rows.recency.push(t_x);
        rows.opportunities.push(n);
        rows.weight.push(if uniform() < heavy { 1e5 } else { (uniform() * 4.0).ceil() });
    }
    rows
}
