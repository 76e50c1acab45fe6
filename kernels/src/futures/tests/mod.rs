//! The room's own tests: both sides of every declaration, random numbers and laws, quantiles, totals, chunks, extremes.

mod chunks;
mod draws;
mod law;
mod quantiles;
mod speed;

use ndarray::Array3;

use super::*;
use crate::adapter::device;
use crate::device::Device;
use crate::difference::Crossing;

/// Fader, Hardie & Lee (2005), CDNOW by the week; Fader & Hardie (2013), the same customers' spend.
pub const BG_NBD: [f64; 4] = [0.243, 4.414, 0.793, 2.426];
pub const GAMMA_GAMMA: [f64; 3] = [6.25, 3.74, 15.44];

/// The same parameters under every draw.
pub fn everywhere<const K: usize>(draws: usize, groups: usize, theta: [f64; K]) -> Array3<f64> {
    Array3::from_shape_fn((draws, groups, K), |(_, _, k)| theta[k])
}

/// `discount` per period of four and a third weeks.
pub fn months(discount: &[f64]) -> Horizon {
    Horizon { width: 30.4375 / 7.0, discount: discount.to_vec() }
}

pub fn customer(address: u64, x: u32, t_x: f64, t: f64, m: f64) -> Customer {
    Customer { address, group: 0, frequency: x, recency: t_x, age: t, monetary: m }
}

/// Customers as a shop has them, in `groups` groups.
pub fn shop(n: u64, groups: u32) -> Vec<Customer> {
    let of = |i: u64| {
        let mut stream = crate::rng::Stream::new(3, crate::rng::Purpose::Test, i, 0);
        let age = 5.0 + 70.0 * stream.uniform();
        let x = if stream.uniform() < 0.5 { 0 } else { (1.0 / stream.uniform().max(0.01)) as u32 };
        let t_x = if x == 0 { 0.0 } else { age * stream.uniform().sqrt() };
        let monetary = if x == 0 { 0.0 } else { 35.0 * (0.6 * stream.normal()).exp() };
        let group = (stream.uniform() * f64::from(groups)) as u32;
        Customer { address: i.wrapping_mul(0x9E37_79B9_7F4A_7C15), group, frequency: x, recency: t_x, age, monetary }
    };
    (0..n).map(of).collect()
}

pub fn gpu(device: &Device, purchase: &Array3<f64>, spend: Option<&Array3<f64>>, horizon: &Horizon) -> Gpu {
    let population = Population { purchase: purchase.view(), spend: spend.map(|spend| spend.view()) };
    Gpu::new(device, population, horizon, 5, &[]).expect("the device works")
}

/// Mean and standard error.
pub fn mean_and_error(sample: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let n = sample.clone().count() as f64;
    let mean = sample.clone().sum::<f64>() / n;
    let square = sample.map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
    (mean, (square / n).sqrt())
}

#[test]
fn structs_are_declared_alike_on_both_sides() {
    fn check<C: Crossing>(module: &naga::Module) {
        let (_, twin) = (module.types.iter())
            .find(|(_, declared)| declared.name.as_deref() == Some(C::NAME))
            .unwrap_or_else(|| panic!("the shader declares no {}", C::NAME));
        let naga::TypeInner::Struct { members, span } = &twin.inner else { panic!("{} is no struct", C::NAME) };
        let seen: Vec<_> = (members.iter()).map(|m| (m.name.as_deref().unwrap_or(""), m.offset as usize)).collect();
        assert_eq!(seen, C::MEMBERS, "{}", C::NAME);
        assert_eq!(*span as usize, size_of::<C>(), "{}", C::NAME);
    }
    let parse =
        |wgsl: &str| naga::front::wgsl::parse_str(wgsl).unwrap_or_else(|e| panic!("{}", e.emit_to_string(wgsl)));
    let module = parse(&simulate::wgsl());
    check::<simulate::Shape>(&module);
    check::<simulate::DeviceCustomer>(&module);
    let module = parse(&summarise::wgsl());
    check::<summarise::Shape>(&module);
    check::<simulate::DeviceCustomer>(&module);
    check::<summarise::Summary>(&module);
    let module = parse(totals::WGSL);
    check::<totals::Shape>(&module);
    check::<totals::Segment>(&module);
}

#[test]
fn what_no_device_can_predict_from_is_refused() {
    let Some(device) = device() else { return };
    let (purchase, spend) = (everywhere(3, 2, BG_NBD), everywhere(3, 2, GAMMA_GAMMA));
    let refused = |purchase: &Array3<f64>, spend: &Array3<f64>, horizon: &Horizon| {
        let population = Population { purchase: purchase.view(), spend: Some(spend.view()) };
        Gpu::new(&device, population, horizon, 1, &[]).expect_err("refused").what
    };
    let horizon = months(&[1.0]);
    assert!(refused(&purchase, &everywhere(4, 2, GAMMA_GAMMA), &horizon).contains("spend draws"));
    assert!(refused(&everywhere(3, 2, [0.0, 1.0, 1.0, 1.0]), &spend, &horizon).contains('0'));
    assert!(refused(&everywhere(3, 2, [1e-45, 1.0, 1.0, 1.0]), &spend, &horizon).contains("device can hold"));
    assert!(refused(&purchase, &spend, &months(&[])).contains("0 periods"));
    assert!(refused(&purchase, &spend, &Horizon { width: -1.0, discount: vec![1.0] }).contains("-1"));
    let mut gpu = gpu(&device, &purchase, Some(&spend), &horizon);
    let stranger = Customer { group: 2, ..customer(1, 0, 0.0, 1.0, 0.0) };
    let late = customer(1, 1, 2.0, 1.0, 5.0);
    for bad in [stranger, late, customer(1, 1, 1.0, 2.0, f64::INFINITY)] {
        assert!(gpu.submit(&[bad], &[]).expect_err("refused").what.contains("no future"), "{bad:?}");
    }
    assert!(gpu.collect().expect_err("nothing was submitted").what.contains("no chunk"));
}
