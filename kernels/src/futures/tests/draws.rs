//! Random words and the laws made of them, on the device: known answers, bits against the host, moments and frequencies.
//!
//! Every test is seeded, so that it passes or fails for good. Bounds are five standard errors, or the 1e-6 quantile of χ².

use super::*;
use crate::buffer::{Buffer, Readback};
use crate::pipeline::{Binding, Pipeline};
use crate::rng::{Purpose, Stream, philox4x32_10};
use crate::special::digamma;

/// `expression` of the thread's index `i`, its address `at` and a parameter `x`, for `n` threads.
fn words_on(device: &Device, expression: &str, x: f32, n: usize) -> Vec<u32> {
    let library = [
        include_str!("../../../../shaders/lib/log1p_expm1.wgsl"),
        include_str!("../../../../shaders/lib/philox.wgsl"),
        include_str!("../../../../shaders/lib/draws.wgsl"),
    ]
    .concat();
    let wgsl = format!(
        "{library}
        @group(0) @binding(0) var<uniform> shape: vec4<u32>;
        @group(0) @binding(1) var<storage, read_write> y: array<u32>;
        @compute @workgroup_size(64)
        fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) size: vec3<u32>) {{
            let i = id.y * size.x * 64u + id.x;
            let x = bitcast<f32>(shape.y);
            let at = Address(vec2(0x01234567u, 0x89abcdefu), 9u << 24u | 77u, vec2(i, 3u));
            if i < shape.x {{ y[i] = {expression}; }}
        }}"
    );
    let pipeline = Pipeline::new(device, "draws", &wgsl, &[Binding::Uniform, Binding::Output]);
    let shape = Buffer::<[u32; 4]>::new(device, "shape", wgpu::BufferUsages::UNIFORM, 1);
    let y = Buffer::<u32>::new(device, "y", wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC, n);
    let mut back = Readback::new(device, "y", n);
    shape.write(device, &[[n as u32, x.to_bits(), 0, 0]]);
    let mut encoder = device.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let bindings = pipeline.bind(device, &[shape.raw(), y.raw()]);
    pipeline.dispatch(&mut encoder, &bindings, [1024.min(n.div_ceil(64)) as u32, n.div_ceil(65536) as u32]);
    back.copy(device, &mut encoder, &y, n);
    device.queue.submit([encoder.finish()]);
    back.read(device, n, <[u32]>::to_vec).expect("the device answers")
}

fn floats_on(device: &Device, expression: &str, x: f32, n: usize) -> Vec<f64> {
    let words = words_on(device, &format!("bitcast<u32>({expression})"), x, n);
    words.into_iter().map(|word| f64::from(f32::from_bits(word))).collect()
}

/// Known answers from the Random123 distribution (`kat_vectors`, philox4x32 10 rounds), computed by the device.
#[test]
fn philox_known_answers_on_the_device() {
    let Some(device) = device() else { return };
    let rows = [
        ("vec4(0u), vec2(0u)", [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
        ("vec4(0xffffffffu), vec2(0xffffffffu)", [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
        (
            "vec4(0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u), vec2(0xa4093822u, 0x299f31d0u)",
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
        ),
    ];
    for (arguments, expected) in rows {
        assert_eq!(words_on(&device, &format!("philox4x32_10({arguments})[i]"), 0.0, 4), expected, "{arguments}");
    }
}

/// Words of 16,384 addresses and counters, bit by bit those of the host.
#[test]
fn blocks_are_the_bits_of_the_hosts_streams() {
    let Some(device) = device() else { return };
    let n = 1 << 16;
    let seen = words_on(
        &device,
        "philox4x32_10(vec4(i * 40503u, i << 13u, ~i, i / 4u), vec2(i ^ 0xdeadbeefu, 7u * i))[i % 4u]",
        0.0,
        n,
    );
    for (i, word) in (0..n as u32).zip(&seen) {
        let counter = [i.wrapping_mul(40503), i << 13, !i, i / 4];
        let expected = philox4x32_10(counter, [i ^ 0xdead_beef, 7u32.wrapping_mul(i)]);
        assert_eq!(*word, expected[i as usize % 4], "{i}");
    }
    let first = words_on(&device, "block(at, 0u).x", 0.0, 1000);
    let third = words_on(&device, "block(at, 2u).w", 0.0, 1000);
    for i in 0..1000 {
        let mut stream = Stream::new(0x89ab_cdef_0123_4567, Purpose::Test, 3 << 32 | i, 77);
        let words: Vec<u32> = (0..12).map(|_| rand::Rng::next_u32(&mut stream)).collect();
        assert_eq!((first[i as usize], third[i as usize]), (words[0], words[11]));
    }
}

#[test]
fn uniform_numbers_stay_inside_the_open_interval() {
    let Some(device) = device() else { return };
    let ends = floats_on(&device, "open_unit(select(0xffffffffu - i, i - 500u, i >= 500u))", 0.0, 1000);
    assert!(ends.iter().all(|u| *u > 0.0 && *u < 1.0), "{ends:?}");
    assert_eq!(ends[500], 0.5f64.powi(33));
    let sample = floats_on(&device, "open_unit(block(at, 0u).x)", 0.0, 1 << 18);
    let (mean, error) = mean_and_error(sample.iter().copied());
    assert!((mean - 0.5).abs() < 5.0 * error, "{mean}");
}

/// Kolmogorov's distance of a sample from a distribution, times √n: 2.7 is exceeded with probability 1e-6.
fn kolmogorov(mut sample: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    sample.sort_unstable_by(f64::total_cmp);
    let n = sample.len() as f64;
    let distance = |(i, x): (usize, &f64)| (cdf(*x) - i as f64 / n).abs().max((cdf(*x) - (i + 1) as f64 / n).abs());
    sample.iter().enumerate().map(distance).fold(0.0, f64::max) * n.sqrt()
}

#[test]
fn normal_numbers_have_their_moments() {
    let Some(device) = device() else { return };
    let sample = floats_on(&device, "normal(block(at, 0u).x, block(at, 0u).y)", 0.0, 1 << 18);
    for (power, expected) in [(1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0), (6, 15.0)] {
        let (mean, error) = mean_and_error(sample.iter().map(|z| z.powi(power)));
        assert!((mean - expected).abs() < 5.0 * error, "E[z^{power}] = {mean}");
    }
}

/// E[ln G] = ψ(shape) and, from shape 0.3 on, E[G] = shape and E[(G − shape)²] = shape; whole shapes against their closed
/// distribution function, 1 − e^−x Σ_{j<shape} x^j/j!.
#[test]
fn gamma_numbers_follow_their_law_at_every_shape() {
    let Some(device) = device() else { return };
    for shape in [1e-3, 0.05, 0.3, 0.999, 1.0, 1.5, 6.25, 40.0, 1e3, 1e5] {
        let logs = floats_on(&device, "ln_gamma(at, 5u, x)", shape, 1 << 17);
        let shape = f64::from(shape);
        let (mean, error) = mean_and_error(logs.iter().copied());
        assert!((mean - digamma(shape)).abs() < 5.0 * error, "E ln G({shape}) = {mean} ± {error}");
        if shape >= 0.3 {
            let (mean, error) = mean_and_error(logs.iter().map(|ln| ln.exp()));
            assert!((mean - shape).abs() < 5.0 * error, "E G({shape}) = {mean} ± {error}");
            let (square, error) = mean_and_error(logs.iter().map(|ln| (ln.exp() - shape).powi(2)));
            assert!((square - shape).abs() < 5.0 * error, "Var G({shape}) = {square} ± {error}");
        }
        if shape == 1.0 || shape == 40.0 {
            let cdf = |ln: f64| {
                let x = ln.exp();
                let terms = (1..shape as u32).scan(1.0, |term, j| {
                    *term *= x / f64::from(j);
                    Some(*term)
                });
                1.0 - (-x).exp() * (1.0 + terms.sum::<f64>())
            };
            let distance = kolmogorov(logs, cdf);
            assert!(distance < 2.7, "shape {shape}: {distance}");
        }
    }
}

/// χ² of observed counts of 0, 1, 2, …, merged until at least ten are expected in each class; in units of its own standard
/// deviation around its mean (Wilson & Hilferty), of which 4.8 is exceeded with probability 1e-6.
pub fn chi_square(counts: &[u32], probability: impl Fn(u32) -> f64) -> f64 {
    let n = counts.len() as f64;
    let largest = counts.iter().copied().max().unwrap_or(0) as usize;
    let mut observed = vec![0.0; largest + 2];
    counts.iter().for_each(|k| observed[*k as usize] += 1.0);
    let (mut chi, mut classes, mut seen, mut expected, mut rest) = (0.0, 0.0, 0.0, 0.0, n);
    for (k, count) in observed.iter().enumerate() {
        seen += count;
        let here = n * probability(k as u32);
        expected += here;
        rest -= here;
        let last = k + 1 == observed.len();
        if last {
            expected += rest;
        }
        if last || (expected >= 10.0 && rest >= 10.0) {
            chi += (seen - expected).powi(2) / expected;
            classes += 1.0;
            (seen, expected) = (0.0, 0.0);
        }
    }
    let freedom: f64 = classes - 1.0;
    assert!(freedom >= 1.0, "one class is no test");
    let spread = 2.0 / (9.0 * freedom);
    ((chi / freedom).cbrt() - (1.0 - spread)) / spread.sqrt()
}

#[test]
fn poisson_numbers_have_their_frequencies() {
    let Some(device) = device() else { return };
    for mean in [1e-3f32, 0.3, 2.0, 9.99, 10.0, 13.7, 60.0, 1000.0] {
        let sample = words_on(&device, "poisson(at, 5u, x)", mean, 1 << 18);
        let mean = f64::from(mean);
        let pmf = |k: u32| (f64::from(k) * mean.ln() - mean - crate::special::ln_gamma(f64::from(k) + 1.0)).exp();
        let chi = chi_square(&sample, pmf);
        assert!(chi.abs() < 4.8, "mean {mean}: {chi}");
    }
    for mean in [1e5f32, 1.2e7] {
        let sample = words_on(&device, "poisson(at, 5u, x)", mean, 1 << 16);
        let mean = f64::from(mean);
        let (seen, error) = mean_and_error(sample.iter().map(|k| f64::from(*k)));
        assert!((seen - mean).abs() < 5.0 * error, "{seen} of {mean}");
        let (square, error) = mean_and_error(sample.iter().map(|k| (f64::from(*k) - mean).powi(2)));
        assert!((square - mean).abs() < 5.0 * error, "variance {square} of {mean}");
    }
}

/// A mean of 1e-6 makes a purchase a million times out of 10^12: the uniform numbers must be fine where it counts. Here, the
/// words that give a purchase are exactly those below 2^32 (1 − e^−mean).
#[test]
fn tiny_means_and_tiny_dropouts_keep_their_digits() {
    let Some(device) = device() else { return };
    for mean in [1e-6f32, 1e-8] {
        let edge = (f64::from(mean) * 4_294_967_296.0) as u32;
        let below = words_on(&device, &format!("poisson_small(x, {}u)", edge - 2), mean, 1);
        let above = words_on(&device, &format!("poisson_small(x, {}u)", edge + 2), mean, 1);
        assert_eq!((below[0], above[0]), (1, 0), "{mean}");
    }
    // p = 1e-9: K > 1e6 for all words but a thousandth of them; with odds of e^-2000, never.
    let ends = words_on(&device, "geometric(x, block(at, 0u).x)", (1e-9f32).ln(), 1 << 16);
    let early = ends.iter().filter(|k| **k <= 1_000_000).count();
    // Binomial(65536, 0.001): 65.5 ± 8.1, five standard deviations.
    assert!((early as f64 - 65.5).abs() < 5.0 * 8.1, "{early}");
    let never = words_on(&device, "geometric(x, block(at, 0u).x)", -2000.0, 1000);
    assert!(never.iter().all(|k| *k == 1 << 31));
    let often = words_on(&device, "geometric(x, block(at, 0u).x)", (0.3f32 / 0.7).ln(), 1 << 17);
    let chi = chi_square(&often, |k| if k == 0 { 0.0 } else { 0.3 * 0.7f64.powi(k as i32 - 1) });
    assert!(chi.abs() < 4.8, "{chi}");
}
