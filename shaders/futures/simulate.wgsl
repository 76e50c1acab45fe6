// One future of one customer under one posterior draw: purchases in the horizon and their discounted value.
// Counterpart: kernels/src/futures/simulate.rs; the law is that of BG/NBD and Gamma-Gamma, as kernels/src/futures/mod.rs states
// it. Follows lib/log1p_expm1.wgsl, lib/philox.wgsl, lib/draws.wgsl and lib/customer.wgsl. Adds nothing up.
//
// A thread is one customer and draw: neighbours share the customer, and mostly take the same branches.

const THREADS: u32 = 64u;

struct Shape {
    customers: u32,
    draws: u32,
    periods: u32,
    // 0: no values, one period
    with_spend: u32,
    seed_low: u32,
    seed_high: u32,
    // Where values begin in `raw`; counts begin at 0.
    values_at: u32,
    // ln of the horizon's length, time units
    ln_length: f32,
}

struct Spend {
    p: f32,
    q: f32,
    v: f32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> customers: array<Customer>;
// [group, draw]: r, alpha, a, b
@group(0) @binding(2) var<storage, read> purchase: array<vec4<f32>>;
// [group, draw]
@group(0) @binding(3) var<storage, read> spend: array<Spend>;
// Worth of one unit at each period's end.
@group(0) @binding(4) var<storage, read> discount: array<f32>;
// [customer, draw] of counts, then of values (bits of f32)
@group(0) @binding(5) var<storage, read_write> raw: array<u32>;

// The numbers of a future. Block 0 holds three uniforms; the rest have blocks of their own. Places of purchases come four
// to a block.
const RATE: u32 = 1u;
const DROPOUT: u32 = 2u;
const STAYING: u32 = 3u;
const SCALE: u32 = 4u;
const PLACES: u32 = 16u;
const AMOUNTS: u32 = 64u;
const COUNTS: u32 = 16384u;

// ln of the largest amount, 6e27; sums of 2^34 of them are still finite.
const LN_LARGEST: f32 = 64.0;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = (workgroup.y * workgroups.x + workgroup.x) * THREADS + thread;
    if i >= shape.customers * shape.draws {
        return;
    }
    let draw = i % shape.draws;
    let customer = customers[i / shape.draws];
    let at = Address(
        vec2(shape.seed_low, shape.seed_high),
        PURPOSE << 24u | draw,
        vec2(customer.address_low, customer.address_high),
    );
    let theta = purchase[customer.group * shape.draws + draw];
    let words = block(at, 0u);
    var count = 0u;
    var value = 0.0;
    if customer.frequency == 0u || open_unit(words.x) <= p_alive(theta, customer) {
        let x = f32(customer.frequency);
        // Expected purchases in the horizon: cut at 1.6e7, since 2^24 is as many as are counted.
        let ln_mean = ln_gamma(at, RATE, theta.x + x) - log(theta.y + customer.age) + shape.ln_length;
        let mean = exp(clamp(ln_mean, -87.0, 16.6));
        // Many purchases: a period at a time. Few: one at a time, of which one period needs no places either.
        let by_period = mean >= POISSON_LARGE || (shape.periods == 1u && shape.with_spend != 0u);
        var planned = 1u;
        if !by_period {
            planned = poisson_small(mean, words.y);
        }
        if planned > 0u {
            // p ~ Beta(a, b + x) as the odds of two gammas.
            let ln_odds = ln_gamma(at, DROPOUT, theta.z) - ln_gamma(at, STAYING, theta.w + x);
            let until_dropout = geometric(ln_odds, words.z);
            var amounts = Spend(1.0, 1.0, 1.0);
            var ln_scale = 0.0;
            if shape.with_spend != 0u {
                amounts = spend[customer.group * shape.draws + draw];
                // Without paid repeat purchases there is no mean to learn from, as in the spend fit.
                let paid = select(0.0, x, customer.repeat_spend > 0.0);
                ln_scale = log(amounts.v + customer.repeat_spend) - ln_gamma(at, SCALE, fma(amounts.p, paid, amounts.q));
            }
            var periods = shape.periods;
            if by_period {
                let per_period = mean / f32(periods);
                for (var period = 0u; period < periods && count < until_dropout; period++) {
                    let k = min(poisson(at, COUNTS + period, per_period), until_dropout - count);
                    count += k;
                    if shape.with_spend != 0u && k > 0u {
                        value += amount(at, period, amounts.p * f32(k), ln_scale, period);
                    }
                }
                count = min(count, 16777215u);
            } else {
                count = min(planned, until_dropout);
                if shape.with_spend != 0u {
                    // Purchases in order of time: the share of the horizon that is left after the next of n is U^(1/n).
                    var left = 1.0;
                    var places = vec4<u32>();
                    for (var n = 0u; n < count; n++) {
                        if n % 4u == 0u {
                            places = block(at, (PLACES + n / 4u) << 16u);
                        }
                        left *= exp(log(open_unit(places.x)) / f32(planned - n));
                        places = places.yzwx;
                        let period = min(u32((1.0 - left) * f32(periods)), periods - 1u);
                        value += amount(at, n, amounts.p, ln_scale, period);
                    }
                }
            }
        }
    }
    raw[i] = count;
    if shape.with_spend != 0u {
        raw[shape.values_at + i] = bitcast<u32>(value);
    }
}

// Discounted worth of a Gamma(shape, nu) amount, ln_scale = -ln nu.
fn amount(at: Address, number: u32, gamma_shape: f32, ln_scale: f32, period: u32) -> f32 {
    return discount[period] * exp(clamp(ln_gamma(at, AMOUNTS + number, gamma_shape) + ln_scale, -87.0, LN_LARGEST));
}
