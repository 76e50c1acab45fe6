//! How long each stage takes. Not a test of anything: `cargo test --release -p longrun-kernels --lib stages_of_a_chunk -- --ignored
//! --nocapture` prints it.

use std::time::Instant;

use super::*;

#[test]
#[ignore = "prints times; proves nothing"]
fn stages_of_a_chunk() {
    let Some(device) = device() else { return };
    let draws = 500;
    let (purchase, spend) = (everywhere(draws, 16, BG_NBD), everywhere(draws, 16, GAMMA_GAMMA));
    let horizon = months(&(0..12).map(|k| 0.99f64.powi(k + 1)).collect::<Vec<_>>());
    let customers = shop(20_000, 16);
    for with_spend in [true, false] {
        let spend = with_spend.then(|| spend.view());
        let population = Population { purchase: purchase.view(), spend };
        let begun = Instant::now();
        let mut gpu = Gpu::new(&device, population, &horizon, 5, &[1, 16]).expect("the device works");
        let prepared = begun.elapsed();
        let mut best = f64::INFINITY;
        for _ in 0..3 {
            let begun = Instant::now();
            for (i, chunk) in customers.chunks(gpu.chunk_customers()).enumerate() {
                let labels: Vec<u32> = chunk.iter().flat_map(|who| [0, who.group]).collect();
                gpu.submit(chunk, &labels).expect("submitted");
                if i > 0 {
                    gpu.collect().expect("collected");
                }
            }
            gpu.collect().expect("collected");
            best = best.min(begun.elapsed().as_secs_f64());
        }
        let rate = (customers.len() * draws) as f64 / best;
        eprintln!(
            "spend {with_spend}: {rate:.2e} futures a second, {:.0} customers a second; ready after {prepared:?}",
            rate / draws as f64
        );
        let chunk = &customers[..gpu.chunk_customers().min(8192)];
        let labels: Vec<u32> = chunk.iter().flat_map(|who| [0, who.group]).collect();
        gpu.submit(chunk, &labels).expect("submitted");
        gpu.collect().expect("collected");
        let segments = totals::Cut::new(chunk.len(), &labels, &[1, 16]).expect("labels").segments.len();
        for (stage, name) in ["simulate", "summarise", "totals"].into_iter().enumerate() {
            let times = (0..3).map(|_| {
                let begun = Instant::now();
                gpu.repeat(stage, chunk.len(), segments);
                begun.elapsed().as_secs_f64()
            });
            let best = times.fold(f64::INFINITY, f64::min);
            eprintln!("  {name}: {:.0} ns a future", 1e9 * best / (chunk.len() * draws) as f64);
        }
    }
}
