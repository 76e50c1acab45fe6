//! The two ways in which pairs of parameters are renamed, and the chain rule back. Which pairs, a family's own file says.
//!
//! | pair | stands for | natural |
//! | --- | --- | --- |
//! | mean φ, concentration κ of a Beta(a, b) | φ = a/(a+b), κ = a+b | a = φκ, b = (1−φ)κ |
//! | mean rate v of a Gamma(shape, rate β), beside the shape | v = shape/β | β = shape/v |

/// Writes a and b in slots `first` and the next from φ and κ there.
pub(super) fn beta_to_natural(first: usize, values: &[f64], natural: &mut [f64]) {
    let (phi, kappa) = (values[first], values[first + 1]);
    natural[first] = phi * kappa;
    natural[first + 1] = (1.0 - phi) * kappa;
}

/// Writes φ and κ in slots `first` and the next from a and b there.
pub(super) fn beta_to_chart(first: usize, natural: &[f64], values: &mut [f64]) {
    let (a, b) = (natural[first], natural[first + 1]);
    values[first] = a / (a + b);
    values[first + 1] = a + b;
}

/// Turns slopes in a and b into slopes in φ and κ.
pub(super) fn beta_pull_back(first: usize, values: &[f64], d_natural: &[f64], d_values: &mut [f64]) {
    let (phi, kappa) = (values[first], values[first + 1]);
    let (d_a, d_b) = (d_natural[first], d_natural[first + 1]);
    d_values[first] = kappa * (d_a - d_b);
    d_values[first + 1] = phi * d_a + (1.0 - phi) * d_b;
}

/// Writes the rate parameter after the shape in slot `shape` from the mean rate there.
pub(super) fn gamma_to_natural(shape: usize, values: &[f64], natural: &mut [f64]) {
    natural[shape + 1] = values[shape] / values[shape + 1];
}

/// Writes the mean rate after the shape in slot `shape` from the rate parameter there.
pub(super) fn gamma_to_chart(shape: usize, natural: &[f64], values: &mut [f64]) {
    values[shape + 1] = natural[shape] / natural[shape + 1];
}

/// Turns the slopes in shape and rate parameter into slopes in shape and mean rate.
pub(super) fn gamma_pull_back(shape: usize, values: &[f64], natural: &[f64], d_natural: &[f64], d_values: &mut [f64]) {
    let (parameter, rate) = (natural[shape + 1], values[shape + 1]);
    d_values[shape] += d_natural[shape + 1] / rate;
    d_values[shape + 1] = -d_natural[shape + 1] * parameter / rate;
}
