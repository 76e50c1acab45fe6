// Random numbers of named laws in f32, made of addressed words: uniform, normal, Gamma (as a logarithm), Poisson, geometric.
// Follows lib/philox.wgsl and lib/log1p_expm1.wgsl. Which customer asks, and why, is unknown here.
//
// Every number has blocks of its own: `number << 16 | attempt`, so that what one number rejects moves no other. Loops are
// bounded; what a sampler returns when none of its attempts is accepted is said beside it, and its probability is below
// 1e-30. Built-in log and exp (3 units in the last place, 2^-21 near 1) serve where a rounding only moves a random number;
// lib/log1p_expm1.wgsl where a probability is at stake.

const ATTEMPTS: u32 = 32u;

// A number in the open interval (0, 1): fine near 0, where logarithms look (2^-33), and at most 1 - 2^-24.
fn open_unit(word: u32) -> f32 {
    return min(fma(f32(word), 0x1p-32f, 0x1p-33f), 0.99999994f);
}

// An Exponential(1) number, relatively exact near 0 as well: -ln(1 - u).
fn exponential(word: u32) -> f32 {
    return -log1p(-open_unit(word));
}

// sin(2 pi z) for |z| <= 1/4, to 6e-9 (Hastings 1955, sheet 16, in the argument 4 z). Drivers may be off by 2^-11.
fn sine_of_turns(z: f32) -> f32 {
    let x = 4.0 * z;
    let y = x * x;
    var p = fma(y, 1.5148419e-4, -4.67376557e-3);
    p = fma(y, p, 7.968967928e-2);
    p = fma(y, p, -6.4596371106e-1);
    return x * fma(y, p, 1.57079631847);
}

// A standard normal number (Box-Muller); |z| <= 6.8.
fn normal(radius: u32, angle: u32) -> f32 {
    let length = sqrt(max(-2.0 * log(open_unit(radius)), 0.0));
    // cos(2 pi u) = sin(2 pi (|u - 1/2| - 1/4))
    return length * sine_of_turns(abs(open_unit(angle) - 0.5) - 0.25);
}

// 3 (log1p(t) - t + t^2/2) - t^3, whose four leading terms cancel: by its series where |t| is small. `ln` is log1p(t).
fn log_acceptance(t: f32, ln: f32) -> f32 {
    var s = fma(t, -1.0 / 11.0, 1.0 / 10.0);
    s = fma(t, s, -1.0 / 9.0);
    s = fma(t, s, 1.0 / 8.0);
    s = fma(t, s, -1.0 / 7.0);
    s = fma(t, s, 1.0 / 6.0);
    s = fma(t, s, -1.0 / 5.0);
    s = fma(t, s, 1.0 / 4.0);
    let square = t * t;
    return select(3.0 * (ln - t + 0.5 * square) - t * square, -3.0 * square * square * s, abs(t) < 0.25);
}

// ln of a Gamma(shape, 1) number (Marsaglia & Tsang 2000): d v with v = (1 + c x)^3, accepted where
// ln u < x^2/2 + d - d v + d ln v = d log_acceptance(c x). Below shape 1, G(shape) = G(shape + 1) U^(1/shape); a logarithm
// holds that for any shape. Falls back on v = 1.
fn ln_gamma(at: Address, number: u32, shape: f32) -> f32 {
    let small = shape < 1.0;
    let d = select(shape, shape + 1.0, small) - 1.0 / 3.0;
    let c = 1.0 / (3.0 * sqrt(d));
    var result = log(d);
    for (var attempt = 0u; attempt < ATTEMPTS; attempt++) {
        let words = block(at, number << 16u | attempt);
        let t = max(c * normal(words.x, words.y), -0.9999);
        let ln = log1p(t);
        if log(open_unit(words.z)) < d * log_acceptance(t, ln) {
            result += 3.0 * ln + select(0.0, log(open_unit(words.w)) / max(shape, 1e-30), small);
            break;
        }
    }
    return result;
}

// Means from here on are drawn by transformed rejection.
const POISSON_LARGE: f32 = 10.0;

// A Poisson number for a mean below POISSON_LARGE: inversion from the upper end, where uniform numbers are finest, so that
// tiny means keep their digits: the least k with P(N > k) <= u. Ends where the terms no longer count (1e-10).
fn poisson_small(mean: f32, word: u32) -> u32 {
    let u = open_unit(word);
    var above = -expm1(-mean);
    var term = exp_(-mean);
    var k = 0u;
    for (; k < 64u; k++) {
        if u >= above || (term < 1e-10 && f32(k) > mean) {
            break;
        }
        term *= mean / f32(k + 1u);
        above -= term;
    }
    return k;
}

// ln of the Poisson probability of a whole k >= 0, by Loader's saddle point form (2000, "Fast and accurate computation of
// binomial probabilities"): no large numbers cancel.
fn ln_poisson(k: f32, mean: f32) -> f32 {
    let off = k - mean;
    let v = off / (k + mean);
    let w = v * v;
    let series = off * v + 2.0 * k * v * w * fma(w, fma(w, fma(w, 1.0 / 9.0, 1.0 / 7.0), 1.0 / 5.0), 1.0 / 3.0);
    let n = max(k, 1.0);
    let deviance = select(n * log(n / mean) - off, series, abs(v) < 0.1);
    let per = 1.0 / n;
    let stirling = per * fma(per * per, fma(per * per, 1.0 / 1260.0, -1.0 / 360.0), 1.0 / 12.0);
    return select(-deviance - stirling - 0.5 * log(6.2831853 * n), -mean, k < 1.0);
}

// A Poisson number for a mean from POISSON_LARGE on: PTRS (Hoermann 1993, "The transformed rejection method for generating
// Poisson random variables"). Counts above 2^24 - 1 are cut there. Falls back on the mean.
fn poisson_large(at: Address, number: u32, mean: f32) -> u32 {
    let b = 0.931 + 2.53 * sqrt(mean);
    let a = 0.02483 * b - 0.059;
    let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
    let v_r = 0.9277 - 3.6224 / (b - 2.0);
    var result = mean;
    for (var attempt = 0u; attempt < ATTEMPTS; attempt++) {
        let words = block(at, number << 16u | attempt);
        let u = open_unit(words.x) - 0.5;
        let v = open_unit(words.y);
        let us = max(0.5 - abs(u), 0x1p-33f);
        let k = floor((2.0 * a / us + b) * u + mean + 0.43);
        let surely = us >= 0.07 && v <= v_r;
        let never = k < 0.0 || (us < 0.013 && v > us);
        let ratio = log(v * inverse_alpha / (a / (us * us) + b));
        if surely || (!never && ratio <= ln_poisson(max(k, 0.0), mean)) {
            result = k;
            break;
        }
    }
    return u32(clamp(result, 0.0, 16777215.0));
}

// A Poisson number of any mean up to 2^24.
fn poisson(at: Address, number: u32, mean: f32) -> u32 {
    if mean < POISSON_LARGE {
        return poisson_small(mean, block(at, number << 16u).x);
    }
    return poisson_large(at, number, mean);
}

// K from 1 with P(K > k) = (1 - p)^k for p = G / (G + G'), given ln(G / G'): -ln(1 - p) = ln(1 + G / G'), which holds for
// the smallest p. Never ending is 2^31.
fn geometric(ln_odds: f32, word: u32) -> u32 {
    return u32(clamp(ceil(exponential(word) / max(softplus(ln_odds), 1e-30)), 1.0, 2147483648.0));
}
