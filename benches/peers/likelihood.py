#!/usr/bin/env python3
"""Value-and-gradient throughput of the BG/NBD and Gamma-Gamma likelihoods in JAX, on the rows of a summary in Parquet.

An evaluation is one row at one parameter point, value and gradient. Several ways to write the same sum are timed for each
precision, and the quickest is the peer's figure: which one that is depends on processor, rows and points, so nobody has to guess.

    gamma     lgamma     Γ terms by lax.lgamma for every row
              histogram  Γ terms (and ln(b+x−1)) once per distinct x, weighted or looked up; rows need logs and exponentials alone
    mode      reverse    jax.value_and_grad
              forward    jax.jvp along each parameter
    batch     vmap       all points at once
              map        one point after another (lax.map)
              scan       all points at once over chunks of rows that stay in the cache (lax.scan)

Rows are not merged, for what is measured is the kernel. Prints one JSON object a line.
"""

import argparse
import itertools
import json
import os
import sys
import time

import numpy as np

# Parameters near the truth of a simulated shop (weeks, currency): where a sampler spends its time.
CENTRE = {"bg_nbd": [0.8, 6.0, 1.0, 3.0], "gamma_gamma": [6.25, 3.74, 20.0]}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("summary", help="Parquet written by `longrun simulate --kind summary --format parquet`")
    parser.add_argument("--rows", type=int, default=1_000_000, help="at most so many rows")
    parser.add_argument("--points", default="16", help="parameter points per call, a list: 4,16,64")
    parser.add_argument("--family", default="bg_nbd,gamma_gamma")
    parser.add_argument("--precision", default="f32,f64")
    parser.add_argument("--chunk", type=int, default=16_384, help="rows in a chunk of the scan")
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many rounds counts")
    parser.add_argument("--all", action="store_true", help="print every way, not the quickest alone")
    parser.add_argument("--quick", action="store_true", help="only the two ways that were quickest wherever we looked")
    return parser.parse_args()


def rows_of(path, limit, family):
    import pyarrow.parquet as pq

    names = {"bg_nbd": ["frequency", "recency", "age"], "gamma_gamma": ["frequency", "monetary"]}[family]
    table = pq.read_table(path, columns=names)
    columns = [table[name].to_numpy().astype(np.float64) for name in names]
    if family == "gamma_gamma":
        spenders = (columns[0] > 0) & (columns[1] > 0)
        columns = [column[spenders] for column in columns]
    return [column[:limit] for column in columns]


# Fader, Hardie & Lee (2005): L = Γ(r+x)/Γ(r) α^r (α+T)^−(r+x) B(a,b+x)/B(a,b) · [1 + δ_{x>0} a/(b+x−1) ((α+T)/(α+t_x))^(r+x)].
def bg_nbd(gamma):
    import jax.numpy as jnp
    from jax import lax

    lgamma = lax.lgamma

    def per_x(theta, x):
        r, _, a, b = theta
        return lgamma(r + x) - lgamma(r) + lgamma(b + x) - lgamma(a + b + x) + lgamma(a + b) - lgamma(b)

    def per_row(theta, x, t_x, age, ln_odds):
        r, alpha, _, _ = theta
        e = r + x
        ln_age = jnp.log(alpha + age)
        gone = jnp.where(x > 0, ln_odds + e * (ln_age - jnp.log(alpha + t_x)), -jnp.inf)
        # ln(1 + e^gone) without overflow; the masked branch is kept finite so that its gradient is 0 and not NaN.
        safe = jnp.where(x > 0, gone, 0.0)
        more = jnp.where(x > 0, jnp.maximum(safe, 0.0) + jnp.log1p(jnp.exp(-jnp.abs(safe))), 0.0)
        return r * jnp.log(alpha) - e * ln_age + more

    def ln_odds_of(theta, x):
        _, _, a, b = theta
        return jnp.log(a) - jnp.log(b + jnp.maximum(x, 1.0) - 1.0)

    def rows_sum(theta, x, t_x, age, index, distinct):
        if gamma == "lgamma":
            return jnp.sum(per_x(theta, x) + per_row(theta, x, t_x, age, ln_odds_of(theta, x)))
        return jnp.sum(per_row(theta, x, t_x, age, ln_odds_of(theta, distinct)[index]))

    def once(theta, distinct, counts):
        return jnp.sum(counts * per_x(theta, distinct)) if gamma == "histogram" else 0.0 * theta[0]

    return rows_sum, once


# Fader & Hardie (2013): L = Γ(px+q)/(Γ(px)Γ(q)) v^q (x m)^(px) / (m (v + x m)^(px+q)).
def gamma_gamma(gamma):
    import jax.numpy as jnp
    from jax import lax

    lgamma = lax.lgamma

    def per_x(theta, x):
        p, q, _ = theta
        return lgamma(p * x + q) - lgamma(p * x) - lgamma(q)

    def per_row(theta, x, m):
        p, q, v = theta
        spent = x * m
        return q * jnp.log(v) + p * x * jnp.log(spent) - jnp.log(m) - (p * x + q) * jnp.log(v + spent)

    def rows_sum(theta, x, m, index, distinct):
        rows = per_row(theta, x, m)
        return jnp.sum(per_x(theta, x) + rows) if gamma == "lgamma" else jnp.sum(rows)

    def once(theta, distinct, counts):
        return jnp.sum(counts * per_x(theta, distinct)) if gamma == "histogram" else 0.0 * theta[0]

    return rows_sum, once


def value_and_gradient(f, mode):
    import jax
    import jax.numpy as jnp

    if mode == "reverse":
        return jax.value_and_grad(f)

    def forward(theta, *rest):
        tangents = jnp.eye(theta.shape[0], dtype=theta.dtype)
        values, slopes = jax.vmap(lambda t: jax.jvp(lambda th: f(th, *rest), (theta,), (t,)))(tangents)
        return values[0], slopes

    return forward


def program(family, gamma, mode, batch, data, chunk):
    """A compiled function of the points, and how many rows it covers."""
    import jax
    import jax.numpy as jnp

    rows_sum, once = {"bg_nbd": bg_nbd, "gamma_gamma": gamma_gamma}[family](gamma)
    columns, index, distinct, counts = data
    n = index.shape[0]
    rows = value_and_gradient(rows_sum, mode)
    first = value_and_gradient(once, mode)

    def whole(theta):
        value, slope = rows(theta, *columns, index, distinct)
        v0, s0 = first(theta, distinct, counts)
        return value + v0, slope + s0

    if batch == "vmap":
        return jax.jit(jax.vmap(whole)), n
    if batch == "map":
        return jax.jit(lambda points: jax.lax.map(whole, points)), n

    pieces = max(n // chunk, 1)
    used = n if pieces == 1 else pieces * chunk
    cut = [c[:used].reshape(pieces, -1) for c in (*columns, index)]

    def scanned(points):
        def step(total, piece):
            *cols, idx = piece
            value, slope = jax.vmap(lambda theta: rows(theta, *cols, idx, distinct))(points)
            return (total[0] + value, total[1] + slope), None

        zero = (jnp.zeros(points.shape[0], points.dtype), jnp.zeros_like(points))
        total, _ = jax.lax.scan(step, zero, cut)
        v0, s0 = jax.vmap(lambda theta: first(theta, distinct, counts))(points)
        return total[0] + v0, total[1] + s0

    return jax.jit(scanned), used


def judge(family, columns, theta):
    """The value in numpy and scipy, f64."""
    from scipy.special import gammaln as lg

    if family == "bg_nbd":
        (x, t_x, age), (r, alpha, a, b) = columns, theta
        per_x = lg(r + x) - lg(r) + lg(b + x) - lg(a + b + x) + lg(a + b) - lg(b)
        gone = np.log(a) - np.log(b + np.maximum(x, 1) - 1) + (r + x) * (np.log(alpha + age) - np.log(alpha + t_x))
        more = np.logaddexp(0, np.where(x > 0, gone, -np.inf))
        return np.sum(per_x + r * np.log(alpha) - (r + x) * np.log(alpha + age) + more)
    (x, m), (p, q, v) = columns, theta
    rest = q * np.log(v) + (p * x - 1) * np.log(m) + p * x * np.log(x) - (p * x + q) * np.log(v + x * m)
    return np.sum(lg(p * x + q) - lg(p * x) - lg(q) + rest)


def main():
    args = arguments()
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp

    device = jax.devices()[0]
    adapter = getattr(device, "device_kind", device.platform)
    for family, precision, points in itertools.product(
        args.family.split(","), args.precision.split(","), map(int, args.points.split(","))
    ):
        dtype = {"f32": np.float32, "f64": np.float64}[precision]
        plain = rows_of(args.summary, args.rows, family)
        distinct, index, counts = np.unique(plain[0], return_inverse=True, return_counts=True)
        columns = [jnp.asarray(c, dtype) for c in plain]
        data = columns, jnp.asarray(index, jnp.int32), jnp.asarray(distinct, dtype), jnp.asarray(counts, dtype)
        jitter = np.random.default_rng(1).normal(0.0, 0.02, (points, len(CENTRE[family])))
        thetas = np.array(CENTRE[family]) * np.exp(jitter)
        theta = jnp.asarray(thetas, dtype)

        ways = list(itertools.product(["lgamma", "histogram"], ["reverse", "forward"], ["vmap", "map", "scan"]))
        if args.quick:
            ways = [("histogram", "reverse", "scan"), ("histogram", "forward", "scan")]
        found = []
        for gamma, mode, batch in ways:
            f, used = program(family, gamma, mode, batch, data, args.chunk)
            began = time.perf_counter()
            value, slope = jax.block_until_ready(f(theta))
            compile_s = time.perf_counter() - began
            seconds = []
            for _ in range(args.rounds):
                began = time.perf_counter()
                jax.block_until_ready(f(theta))
                seconds.append(time.perf_counter() - began)
            # The chunks of a scan may leave out the last rows, whose Γ terms the histogram still counts.
            error = None
            if used == plain[0].size:
                error = float(abs(float(value[0]) - judge(family, plain, thetas[0])))
                assert np.all(np.isfinite(slope)), (family, gamma, mode, batch)
                assert error < (1e-3 if precision == "f64" else 1e-2) * max(used, 100), (family, gamma, mode, batch, error)
            found.append(
                {
                    "peer": "jax", "family": family, "precision": precision, "platform": device.platform, "adapter": adapter,
                    "cells": used, "merged": False, "chains": points, "gamma": gamma, "mode": mode, "batch": batch,
                    "evals_per_s": used * points / min(seconds), "best_s": min(seconds), "compile_s": compile_s,
                    "value_error_nats": error, "jax": jax.__version__, "cpus": len(os.sched_getaffinity(0)),
                }
            )  # fmt: skip
            if args.all:
                print(json.dumps(found[-1]), flush=True)
            else:
                done = found[-1]
                print(f"  {family} {precision} {gamma} {mode} {batch}: {done['evals_per_s']:.3g}/s", file=sys.stderr)
        best = max(found, key=lambda way: way["evals_per_s"])
        print(json.dumps({**best, "best": True}), flush=True)


if __name__ == "__main__":
    main()
