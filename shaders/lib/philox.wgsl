// Addressed random words: Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3").
//
// Counterpart: kernels/src/rng.rs, bit by bit: block n of `Stream::new(seed, purpose, index, sub_index)` is
// `block(Address(seed, purpose << 24 | sub_index, index), n)`. What is made of the words, lib/draws.wgsl says.

// The high words of the products m x of a constant and a counter. WGSL has no 64-bit integers: 16 bits at a time, where
// no sum exceeds 32 bits.
fn high_words(m: vec2<u32>, x: vec2<u32>) -> vec2<u32> {
    let m_low = m & vec2(0xffffu);
    let m_high = m >> vec2(16u);
    let x_low = x & vec2(0xffffu);
    let x_high = x >> vec2(16u);
    let middle = m_high * x_low + ((m_low * x_low) >> vec2(16u));
    let other = m_low * x_high + (middle & vec2(0xffffu));
    return m_high * x_high + (middle >> vec2(16u)) + (other >> vec2(16u));
}

fn philox4x32_10(counter: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
    const MULTIPLIERS = vec2<u32>(0xD2511F53u, 0xCD9E8D57u);
    const WEYL = vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
    var c = counter;
    var k = key;
    for (var round = 0u; round < 10u; round++) {
        let low = MULTIPLIERS * c.xz;
        let high = high_words(MULTIPLIERS, c.xz);
        c = vec4(high.y ^ c.y ^ k.x, low.y, high.x ^ c.w ^ k.y, low.x);
        k += WEYL;
    }
    return c;
}

// Low word before high word.
struct Address {
    seed: vec2<u32>,
    // purpose << 24 | sub_index
    place: u32,
    index: vec2<u32>,
}

// Block `n` of the stream at an address: four words.
fn block(at: Address, n: u32) -> vec4<u32> {
    return philox4x32_10(vec4(n, at.place, at.index.x, at.index.y), at.seed);
}
