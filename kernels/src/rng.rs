//! Addressed random numbers: Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3").
//!
//! Randomness is an address, never a shared stream: whoever asks names the seed, the purpose and up to three indices, and gets
//! the same numbers whatever else was asked before, on however many threads.

use std::convert::Infallible;

use rand::TryRng;

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// One block of Philox4x32-10: four random words from a counter and a key.
pub fn philox4x32_10(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let ([mut c0, mut c1, mut c2, mut c3], [mut k0, mut k1]) = (counter, key);
    for round in 0..10 {
        if round > 0 {
            k0 = k0.wrapping_add(WEYL[0]);
            k1 = k1.wrapping_add(WEYL[1]);
        }
        let p0 = u64::from(MULTIPLIERS[0]) * u64::from(c0);
        let p1 = u64::from(MULTIPLIERS[1]) * u64::from(c2);
        (c0, c1, c2, c3) = ((p1 >> 32) as u32 ^ c1 ^ k0, p1 as u32, (p0 >> 32) as u32 ^ c3 ^ k1, p0 as u32);
    }
    [c0, c1, c2, c3]
}

/// Streams whose first blocks are computed side by side: enough for the widest vectors there are.
const LANES: usize = 16;

/// The first block of every stream `(seed, purpose, index, 0)`, `(seed, purpose, index, 1)`, …, one for each place in `out`:
/// what [`Stream::new`] would compute on its first use, many at a time. [`Ahead::begun`] goes on from there.
pub fn first_blocks(seed: u64, purpose: Purpose, index: u64, out: &mut [[u32; 4]]) {
    debug_assert!(out.len() <= 1 << 24, "sub_index has 24 bits");
    let key = [seed as u32, (seed >> 32) as u32];
    for (chunk, out) in out.chunks_mut(LANES).enumerate() {
        let first = (purpose as u32) << 24 | (chunk * LANES) as u32;
        let sites = std::array::from_fn(|i| first + i as u32);
        let words = side_by_side([[0; LANES], sites, [index as u32; LANES], [(index >> 32) as u32; LANES]], key);
        for (i, block) in out.iter_mut().enumerate() {
            *block = [words[0][i], words[1][i], words[2][i], words[3][i]];
        }
    }
}

/// [`philox4x32_10`] of `N` counters, word by word, so that the processor works on all of them at once.
#[inline]
fn side_by_side<const N: usize>(counters: [[u32; N]; 4], key: [u32; 2]) -> [[u32; N]; 4] {
    let ([mut c0, mut c1, mut c2, mut c3], [mut k0, mut k1]) = (counters, key);
    for _ in 0..10 {
        for i in 0..N {
            let p0 = u64::from(MULTIPLIERS[0]) * u64::from(c0[i]);
            let p1 = u64::from(MULTIPLIERS[1]) * u64::from(c2[i]);
            c0[i] = (p1 >> 32) as u32 ^ c1[i] ^ k0;
            c1[i] = p1 as u32;
            c2[i] = (p0 >> 32) as u32 ^ c3[i] ^ k1;
            c3[i] = p0 as u32;
        }
        k0 = k0.wrapping_add(WEYL[0]);
        k1 = k1.wrapping_add(WEYL[1]);
    }
    [c0, c1, c2, c3]
}

/// What a random number is for. Numbers of different purposes are independent at equal indices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Starting points of chains (indices: chain, 0).
    Start = 1,
    /// Fresh momenta (chain, transition).
    Momentum = 2,
    /// Choices within a trajectory: direction, multinomial steps, acceptance (chain, transition).
    Trajectory = 3,
    /// Draws from the prior (draw, 0).
    Prior = 4,
    /// A customer's own rate, dropout and future purchases (customer, draw).
    Prediction = 5,
    /// Simulated customers (customer, 0) and groups (group, 1).
    Simulation = 6,
    /// Randomised probability integral transform (customer, 0).
    RandomisedPit = 7,
    /// Simulated weekly tracking (customer, draw).
    Tracking = 8,
    /// Anything a test wants.
    Test = 9,
    /// Draws from a normal approximation (draw, path), and which of them are kept.
    Approximation = 20,
    /// A replication of simulation-based calibration: its truth (replication, 0), ties among its ranks (replication, 1), its customers
    /// (replication · 2³² + customer, 2).
    Calibration = 21,
    /// A customer made anew under one draw, for posterior predictive checks (customer, draw).
    Replication = 22,
    /// Which customers a sample of them takes (row of cells, 0), (spend row, 1) or (hash of the id, 2).
    Subsample = 40,
    /// Clusters of customers: a customer's place in the sample (hash of the id, 0), beginnings of the search (k, 1 + restart).
    Clustering = 41,
    /// Effects of a group that a fit has not met (address of its path, draw).
    Newcomer = 42,
}

/// FNV-1a of some bytes: an index for things that have a name and no number.
pub fn address_of(bytes: impl IntoIterator<Item = u8>) -> u64 {
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// The random numbers at one address, as a [`rand::Rng`] that distributions can consume.
///
/// Holds up to 2³² blocks of four words; nothing asks for a fraction of that.
#[derive(Debug, Clone)]
pub struct Stream {
    key: [u32; 2],
    counter: [u32; 4],
    block: [u32; 4],
    used: usize,
}

impl Stream {
    /// The stream at `(seed, purpose, index, sub_index)`. `sub_index` uses its low 24 bits; the high 8 bits of that word hold
    /// the purpose.
    #[inline]
    pub fn new(seed: u64, purpose: Purpose, index: u64, sub_index: u32) -> Self {
        debug_assert!(sub_index < 1 << 24, "sub_index has 24 bits");
        let site = (purpose as u32) << 24 | (sub_index & 0x00FF_FFFF);
        Self {
            key: [seed as u32, (seed >> 32) as u32],
            counter: [0, site, index as u32, (index >> 32) as u32],
            block: [0; 4],
            used: 4,
        }
    }

    /// A number in the open interval (0, 1), 53 bits.
    #[inline]
    pub fn uniform(&mut self) -> f64 {
        open_unit(self.next_word64())
    }

    /// A standard normal number (Box–Muller, cosine branch: two words in, one number out, no rejection).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    #[inline]
    fn next_word(&mut self) -> u32 {
        if self.used == 4 {
            self.block = philox4x32_10(self.counter, self.key);
            self.counter[0] = self.counter[0].wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    #[inline]
    fn next_word64(&mut self) -> u64 {
        u64::from(self.next_word()) | u64::from(self.next_word()) << 32
    }
}

/// The first 53 bits as a number in the open interval (0, 1).
#[inline]
fn open_unit(word: u64) -> f64 {
    ((word >> 11) as f64 + 0.5) * (1.0 / 9_007_199_254_740_992.0)
}

/// The numbers of a [`Stream`], four blocks computed side by side: for those who take a dozen words and wait for each.
#[derive(Debug, Clone)]
pub struct Ahead {
    key: [u32; 2],
    counter: [u32; 4],
    words: [u32; 16],
    used: usize,
}

impl Ahead {
    /// The stream at `(seed, purpose, index, sub_index)`, as [`Stream::new`].
    pub fn new(seed: u64, purpose: Purpose, index: u64, sub_index: u32) -> Self {
        let Stream { key, counter, .. } = Stream::new(seed, purpose, index, sub_index);
        Self { key, counter, words: [0; 16], used: 16 }
    }

    /// The same, its first block already known from [`first_blocks`].
    #[inline]
    pub fn begun(seed: u64, purpose: Purpose, index: u64, sub_index: u32, first: [u32; 4]) -> Self {
        let Stream { key, mut counter, .. } = Stream::new(seed, purpose, index, sub_index);
        counter[0] = 1;
        let mut words = [0; 16];
        words[12..].copy_from_slice(&first);
        Self { key, counter, words, used: 12 }
    }

    /// A number in the open interval (0, 1), 53 bits.
    #[inline]
    pub fn uniform(&mut self) -> f64 {
        open_unit(u64::from(self.word()) | u64::from(self.word()) << 32)
    }

    /// The next 32 bits.
    #[inline]
    pub fn word(&mut self) -> u32 {
        if self.used == self.words.len() {
            self.refill();
        }
        self.used += 1;
        self.words[self.used - 1]
    }

    fn refill(&mut self) {
        let [first, site, low, high] = self.counter;
        let counters = std::array::from_fn(|i| first.wrapping_add(i as u32));
        let words = side_by_side([counters, [site; 4], [low; 4], [high; 4]], self.key);
        for (block, out) in self.words.chunks_mut(4).enumerate() {
            out.iter_mut().zip(&words).for_each(|(out, word)| *out = word[block]);
        }
        self.counter[0] = first.wrapping_add(4);
        self.used = 0;
    }
}

impl TryRng for Ahead {
    type Error = Infallible;

    #[inline]
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.word())
    }

    #[inline]
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from(self.word()) | u64::from(self.word()) << 32)
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        for chunk in dst.chunks_mut(4) {
            let word = self.word().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    #[inline]
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.next_word())
    }

    #[inline]
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.next_word64())
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        for chunk in dst.chunks_mut(4) {
            let word = self.next_word().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers from the Random123 distribution (`kat_vectors`, philox4x32 10 rounds).
    #[test]
    fn philox_known_answers() {
        let ff = u32::MAX;
        let rows = [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([ff; 4], [ff; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, expected) in rows {
            assert_eq!(philox4x32_10(counter, key), expected);
        }
    }

    #[test]
    fn addresses_are_independent_and_repeatable() {
        let first = |seed, purpose, i, s| Stream::new(seed, purpose, i, s).uniform();
        assert_eq!(first(1, Purpose::Test, 2, 3), first(1, Purpose::Test, 2, 3));
        let here = first(1, Purpose::Test, 2, 3);
        assert_ne!(here, first(2, Purpose::Test, 2, 3));
        assert_ne!(here, first(1, Purpose::Start, 2, 3));
        assert_ne!(here, first(1, Purpose::Test, 3, 3));
        assert_ne!(here, first(1, Purpose::Test, 2, 4));
    }

    #[test]
    fn many_first_blocks_are_those_of_the_streams() {
        let (seed, index) = (0x1234_5678_9ABC_DEF0, 0xFEDC_BA98_7654_3210);
        let mut blocks = [[0; 4]; 37];
        first_blocks(seed, Purpose::Prediction, index, &mut blocks);
        for (sub, block) in (0..).zip(blocks) {
            let mut plain = Stream::new(seed, Purpose::Prediction, index, sub);
            let mut begun = Ahead::begun(seed, Purpose::Prediction, index, sub, block);
            let mut ahead = Ahead::new(seed, Purpose::Prediction, index, sub);
            for _ in 0..41 {
                let word = plain.next_word();
                assert_eq!((begun.word(), ahead.word()), (word, word));
            }
        }
    }

    #[test]
    fn normal_has_its_moments() {
        let n = 200_000;
        let (mut sum, mut square, mut fourth) = (0.0, 0.0, 0.0);
        for i in 0..n {
            let z = Stream::new(7, Purpose::Test, i, 0).normal();
            sum += z;
            square += z * z;
            fourth += z.powi(4);
        }
        let n = n as f64;
        // Tolerances are five standard errors: sd of the mean 1/√n, of the square √2/√n, of the fourth power √96/√n.
        assert!((sum / n).abs() < 5.0 / n.sqrt());
        assert!((square / n - 1.0).abs() < 5.0 * 2f64.sqrt() / n.sqrt());
        assert!((fourth / n - 3.0).abs() < 5.0 * 96f64.sqrt() / n.sqrt());
    }
}
