//! What each stage costs, in processor time, which a busy machine does not distort: for software adapters, whose shaders run on
//! this processor. Not a test: `cargo test --release -p longrun-kernels --lib stages_of_a_chunk -- --ignored --nocapture` prints it.

use super::*;

/// Processor seconds of this process so far, all threads (Linux, by the hundredth of a second).
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("a command").split_whitespace().collect();
    // utime and stime are fields 14 and 15; the two before the bracket are gone.
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().expect("ticks")).sum::<f64>() / 100.0
}

fn timed<R>(run: impl FnOnce() -> R) -> (R, f64) {
    let begun = processor_seconds();
    (run(), processor_seconds() - begun)
}

#[test]
#[ignore = "prints times; proves nothing"]
fn stages_of_a_chunk() {
    let Some(device) = device() else { return };
    let draws = 500;
    let (purchase, spend) = (everywhere(draws, 16, BG_NBD), everywhere(draws, 16, GAMMA_GAMMA));
    let horizon = months(&(0..12).map(|k| 0.99f64.powi(k + 1)).collect::<Vec<_>>());
    let customers = shop(4000, 16);
    let labels: Vec<u32> = customers.iter().flat_map(|who| [0, who.group]).collect();
    let futures = (customers.len() * draws) as f64;
    for with_spend in [true, false] {
        let population = Population { purchase: purchase.view(), spend: with_spend.then(|| spend.view()) };
        let run = |gpu: &mut Gpu| {
            gpu.submit(&customers, &labels).expect("submitted");
            gpu.collect().expect("collected")
        };
        let (mut gpu, prepared) = timed(|| {
            let mut gpu = Gpu::new(&device, population, &horizon, 5, &[1, 16]).expect("the device works");
            // Drivers compile at the first use.
            gpu.submit(&customers[..1], &labels[..2]).expect("submitted");
            gpu.collect().expect("collected");
            gpu
        });
        let (seen, whole) = timed(|| run(&mut gpu));
        let purchases = seen.iter().map(|future| future.purchases_mean).sum::<f64>() / customers.len() as f64;
        eprintln!(
            "spend {with_spend}: {:.0} ns a future, so {:.2e} a second on two cores; {purchases:.2} purchases each; \
             ready after {prepared:.1} s",
            1e9 * whole / futures,
            2.0 * futures / whole
        );
        let segments = totals::Cut::new(customers.len(), &labels, &[1, 16]).expect("labels").segments.len();
        for (stage, name) in ["simulate", "summarise", "totals"].into_iter().enumerate() {
            let ((), cost) = timed(|| gpu.repeat(stage, customers.len(), segments));
            eprintln!("  {name}: {:.0} ns a future", 1e9 * cost / futures);
        }
    }
}
