// Work of one kind and of a known amount, to be timed: reading memory, or one operation over and over.
// Counterpart: kernels/src/roofline/device.rs, which puts `const KIND` before this text and counts what is done here.
//
// Reading: a workgroup sums BLOCK vectors that lie side by side. Operating: a thread turns two vectors UNROLLED times a pass; each
// step depends on the one before it and on nothing else, and its fixed point is a number of ordinary size.

const THREADS: u32 = 64u;
// Vectors that one thread reads; BLOCK = THREADS * PER_THREAD.
const PER_THREAD: u32 = 16u;
const UNROLLED: u32 = 4u;

const READ: u32 = 0u;
const FMA: u32 = 1u;
const LOG: u32 = 2u;
const EXP: u32 = 3u;
const DIVIDE: u32 = 4u;

struct Shape {
    passes: u32,
    unused_0: u32,
    unused_1: u32,
    unused_2: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> data: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> results: array<f32>;

fn step_(x: vec4<f32>) -> vec4<f32> {
    if KIND == FMA {
        return fma(x, vec4(0.999), vec4(0.001));
    }
    if KIND == LOG {
        return log(x) + 2.0;
    }
    if KIND == EXP {
        return exp(-x);
    }
    return 1.5 / (x + 0.5);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let here = workgroup.x * THREADS + thread;
    if KIND == READ {
        var sum = vec4(0.0);
        let first = workgroup.x * THREADS * PER_THREAD + thread;
        for (var i = 0u; i < PER_THREAD; i++) {
            sum += data[first + i * THREADS];
        }
        results[here] = sum.x + sum.y + sum.z + sum.w;
        return;
    }
    var a = data[thread] + 1.0 + 1e-6 * f32(here % 4096u);
    var b = a + 0.5;
    for (var pass_ = 0u; pass_ < shape.passes; pass_++) {
        for (var i = 0u; i < UNROLLED; i++) {
            a = step_(a);
            b = step_(b);
        }
    }
    let sum = a + b;
    results[here] = sum.x + sum.y + sum.z + sum.w;
}
