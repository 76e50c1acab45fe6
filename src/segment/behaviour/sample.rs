//! Which customers the clusters are looked for among: as many as asked, by their ids alone, in an order that only the ids decide.

use rayon::prelude::*;

use crate::data::Ids;
use crate::kernels::rng::{Purpose, Stream};

/// At most `most` rows: those whose ids have the least random numbers, least first. Any beginning of it is a sample too.
///
/// The number belongs to the id, not to the row: another order of rows, or other customers beside, change nobody's.
pub(super) fn sample(ids: &Ids, seed: u64, most: usize) -> Vec<u32> {
    let mut numbered: Vec<(f64, u32)> = (0..ids.len())
        .into_par_iter()
        .map(|row| (Stream::new(seed, Purpose::Clustering, fnv1a(ids[row].as_bytes()), 0).uniform(), row as u32))
        .collect();
    let by_number =
        |a: &(f64, u32), b: &(f64, u32)| a.0.total_cmp(&b.0).then_with(|| ids[a.1 as usize].cmp(&ids[b.1 as usize]));
    if numbered.len() > most {
        numbered.select_nth_unstable_by(most, by_number);
        numbered.truncate(most);
    }
    numbered.par_sort_unstable_by(by_number);
    numbered.into_iter().map(|(_, row)| row).collect()
}

/// Fowler, Noll & Vo's hash, 64 bits, variant 1a: an address, which the generator scatters.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference vectors of the authors' page (FNV-1a, 64 bits).
    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_customer_is_drawn_for_the_id_alone() {
        let ids: Ids = (0..3000).map(|i| format!("c{i:04}")).collect();
        let turned: Ids = (0..3000).rev().map(|i| format!("c{i:04}")).collect();
        let names = |ids: &Ids, most| -> Vec<String> {
            sample(ids, 7, most).into_iter().map(|row| ids[row as usize].to_owned()).collect()
        };
        let drawn = names(&ids, 1000);
        assert_eq!((drawn.len(), names(&ids, 5000).len()), (1000, 3000));
        assert_eq!(names(&turned, 1000), drawn);
        assert_eq!(names(&ids, 100), drawn[..100]);
        // Even ids are half of them: 500 expected, standard deviation 13 (without replacement); five of them.
        let even = drawn.iter().filter(|id| id.ends_with(['0', '2', '4', '6', '8'])).count();
        assert!(even.abs_diff(500) < 65, "{even}");
        assert_ne!(sample(&ids, 8, 1000), sample(&ids, 7, 1000));
    }
}
