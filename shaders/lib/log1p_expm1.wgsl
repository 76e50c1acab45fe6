// ln(1 + x), exp(x) - 1 and friends in f32, to 2 units in the last place over the whole range that a caller may pass.
//
// WGSL has neither function, promises log only to 2^-21 absolute near 1, and lets a compiler reassociate: nothing here rests
// on an error-free transform. Counterpart: f64::ln_1p, f64::exp_m1 (kernels/src/difference/tests.rs tests one against the other
// on the device). Polynomials: Cephes logf and expf (Moshier 1992).

// ln 2 in two parts; a whole number of up to 15 bits times the first is exact.
const LN2_HIGH: f32 = 0.693359375;
const LN2_LOW: f32 = -2.12194440e-4;

// ln(1 + x) for -1 < x < 2^126.
//
// 1 + x = 2^k (1 + f) with f in [sqrt(1/2) - 1, sqrt(2) - 1]. Rounding 1 + x may only move the choice of k; f is formed from
// x itself, as x / 2^k + (1 / 2^k - 1), where only the last sum rounds.
fn log1p(x: f32) -> f32 {
    let k = (bitcast<i32>(1.0 + x) - 0x3f3504f3) >> 23u;
    let scale = bitcast<f32>((127 - k) << 23u);
    let f = fma(x, scale, scale - 1.0);
    var p = fma(f, 7.0376836292e-2, -1.1514610310e-1);
    p = fma(f, p, 1.1676998740e-1);
    p = fma(f, p, -1.2420140846e-1);
    p = fma(f, p, 1.4249322787e-1);
    p = fma(f, p, -1.6668057665e-1);
    p = fma(f, p, 2.0000714765e-1);
    p = fma(f, p, -2.4999993993e-1);
    p = fma(f, p, 3.3333331174e-1);
    let whole = f32(k);
    let square = f * f;
    let tail = fma(f * square, p, fma(whole, LN2_LOW, -0.5 * square));
    return fma(whole, LN2_HIGH, f + tail);
}

// x - ln(1 + x) for -1 < x < 2^126, without the cancellation where x is small.
//
// With t = x / (2 + x), ln(1 + x) = 2 (t + t^3/3 + t^5/5 + ...) and x - 2 t = x t. Beyond |t| = 0.2 the difference is
// large enough to be formed as it stands.
fn log1p_left(x: f32) -> f32 {
    let t = x / (2.0 + x);
    let square = t * t;
    var p = fma(square, 9.0909091e-2, 1.1111111e-1);
    p = fma(square, p, 1.4285714e-1);
    p = fma(square, p, 2.0e-1);
    p = fma(square, p, 3.3333333e-1);
    return select(x - log1p(x), t * fma(-2.0 * square, p, x), abs(t) < 0.2);
}

struct Reduced {
    // exp(x) = scale (1 + high + rest), scale a power of two, rest the smaller part.
    scale: f32,
    high: f32,
    rest: f32,
}

// For -87 <= x <= 88: x = k ln 2 + y with |y| <= 0.36.
//
// y is used in two parts, y = high + low, where high is exact and low = -k LN2_LOW, and exp(high) - 1 and exp(low) - 1 are
// multiplied out. The usual y = (x - k LN2_HIGH) - k LN2_LOW may be merged into x - k ln 2 (Mesa does), which loses six bits.
fn reduce_exp(x: f32) -> Reduced {
    let k = round(x * 1.44269504);
    let high = fma(k, -LN2_HIGH, x);
    var p = fma(high, 1.9875691500e-4, 1.3981999507e-3);
    p = fma(high, p, 8.3334519073e-3);
    p = fma(high, p, 4.1665795894e-2);
    p = fma(high, p, 1.6666665459e-1);
    p = fma(high, p, 5.0000001201e-1);
    let curve = high * high * p;
    let low = k * -LN2_LOW;
    let e_low = fma(low * low, fma(low, 1.6666667e-1, 0.5), low);
    let rest = curve + fma(high + curve, e_low, e_low);
    return Reduced(bitcast<f32>((i32(k) + 127) << 23u), high, rest);
}

// exp(x) - 1; arguments are clamped to [-87, 88].
fn expm1(x: f32) -> f32 {
    let e = reduce_exp(clamp(x, -87.0, 88.0));
    return fma(e.scale, e.rest, fma(e.scale, e.high, e.scale - 1.0));
}

// exp(x); arguments are clamped to [-87, 88].
fn exp_(x: f32) -> f32 {
    let e = reduce_exp(clamp(x, -87.0, 88.0));
    return fma(e.scale, e.high + e.rest, e.scale);
}

// ln(1 + exp(x)), without overflow.
fn softplus(x: f32) -> f32 {
    return max(x, 0.0) + log1p(exp_(-abs(x)));
}

// 1 / (1 + exp(-x)), without overflow.
fn logistic(x: f32) -> f32 {
    let e = exp_(-abs(x));
    return select(e, 1.0, x >= 0.0) / (1.0 + e);
}
