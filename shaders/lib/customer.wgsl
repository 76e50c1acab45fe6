// A customer's history as the prediction shaders see it, and P(alive) given it. Counterparts: kernels/src/futures/simulate.rs
// (the struct) and bg_nbd::p_alive. Follows lib/log1p_expm1.wgsl.

struct Customer {
    address_low: u32,
    address_high: u32,
    group: u32,
    // x
    frequency: u32,
    // t_x, T - t_x (a difference of large numbers: formed on the host) and T, time units
    recency: f32,
    gap: f32,
    age: f32,
    // x m, currency; 0 without paid repeat purchases
    repeat_spend: f32,
}

// P(alive at T | x, t_x, T) for theta = r, alpha, a, b:
// the odds of having dropped out are a/(b+x-1) ((alpha+T)/(alpha+t_x))^(r+x). One for x = 0.
fn p_alive(theta: vec4<f32>, customer: Customer) -> f32 {
    let x = f32(customer.frequency);
    let later = log1p(customer.gap / (theta.y + customer.recency));
    // x - 1 first: b may be tiny.
    let ln_odds = log(theta.z / (theta.w + max(x - 1.0, 0.0))) + (theta.x + x) * later;
    return select(logistic(-ln_odds), 1.0, customer.frequency == 0u);
}
