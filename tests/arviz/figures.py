"""Makes 20 sets of draws, healthy and sick, and says what ArviZ makes of each.

Usage: figures.py FOLDER. Writes FOLDER/<set>/chain-<c>.csv in CmdStan's layout (floats as Python prints them, which reads back to the
same bits) and FOLDER/figures.json: per set the figures by ArviZ, null where it says NaN, and under "instead" what it says of the same
draws in a form that it can judge. Nothing here judges longrun.
"""

import json
import math
import pathlib
import sys
import warnings

import arviz as az
import numpy as np
from arviz.stats import diagnostics

warnings.filterwarnings("ignore")


def ar(rng, chains, draws, phi):
    noise = rng.standard_normal((chains, draws))
    out = np.empty((chains, draws))
    out[:, 0] = noise[:, 0]
    for t in range(1, draws):
        out[:, t] = phi * out[:, t - 1] + math.sqrt(1 - phi * phi) * noise[:, t]
    return out


def sets():
    rng = np.random.default_rng(20)
    good = rng.standard_normal((4, 500))
    yield "good", good
    yield "autocorrelated", ar(rng, 4, 500, 0.95)
    yield "antithetic", ar(rng, 4, 400, -0.8)
    yield "one chain", ar(rng, 1, 500, 0.3)
    yield "two chains, odd", ar(rng, 2, 301, 0.5)
    yield "100 chains of 50", ar(rng, 100, 50, 0.3)
    stuck = ar(rng, 4, 300, 0.2)
    stuck[2] = 0.25
    yield "stuck chain", stuck
    apart = ar(rng, 4, 300, 0.4)
    apart[[1, 3]] += 8.0
    yield "two places", apart
    yield "two humps", rng.standard_normal((4, 500)) + 6.0 * rng.integers(0, 2, (4, 500))
    yield "Cauchy", rng.standard_cauchy((4, 500))
    yield "constant", np.full((4, 100), 1.5)
    one = ar(rng, 4, 200, 0.0)
    one[0] = 0.0
    yield "one constant chain", one
    yield "trending", ar(rng, 4, 400, 0.3) + np.linspace(0, 3, 400)
    nan = ar(rng, 4, 200, 0.3)
    nan[1, 17] = np.nan
    yield "NaN", nan
    infinite = ar(rng, 4, 200, 0.3)
    infinite[3, 5] = np.inf
    yield "infinity", infinite
    yield "scale 1e-300", good * 1e-300
    yield "offset 1e12", ar(rng, 4, 250, 0.5) + 1e12
    yield "ties", np.floor(ar(rng, 4, 500, 0.3) * 2.0)
    yield "two draws", rng.standard_normal((4, 2))
    yield "short", ar(rng, 3, 9, 0.5)


def figures(x, energy):
    flat = np.ravel(x)
    out = {
        "r_hat": az.rhat(x),
        "ess_bulk": az.ess(x, method="bulk"),
        "ess_tail": az.ess(x, method="tail"),
        "ess_mean": az.ess(x, method="mean"),
        "ess_sd": az.ess(x, method="sd"),
        "ess_quantile 0.1": az.ess(x, method="quantile", prob=0.1),
        "ess_quantile 0.5": az.ess(x, method="quantile", prob=0.5),
        "mcse_mean": az.mcse(x, method="mean"),
        "mcse_sd": az.mcse(x, method="sd"),
        "mcse_q05": az.mcse(x, method="quantile", prob=0.05),
        "mcse_q95": az.mcse(x, method="quantile", prob=0.95),
        "mcse_quantile 0.5": az.mcse(x, method="quantile", prob=0.5),
        "mean": np.mean(flat),
        "sd": np.std(flat, ddof=1),
        "q05": np.quantile(flat, 0.05),
        "q50": np.quantile(flat, 0.5),
        "q95": np.quantile(flat, 0.95),
    }
    bfmi = az.bfmi(energy) if energy.shape[1] >= 4 else np.full(energy.shape[0], np.nan)
    out["e_bfmi, first"], out["e_bfmi, last"] = bfmi[0], bfmi[-1]
    # The draws as log ratios of importance sampling.
    weights, k = az.psislw(flat[np.newaxis, :].copy(), reff=1.0)
    out["pareto_k"] = np.ravel(k)[0]
    out["psis weight, largest"] = np.max(weights)
    out["psis weight, median"] = np.sort(np.ravel(weights))[weights.size // 2]
    return {name: float(value) for name, value in out.items()}


def instead(name, x):
    """What ArviZ says of the same draws in a form that it can judge."""
    if name == "one chain":
        half = diagnostics._split_chains(x)
        folded = abs(half - np.median(half))
        parts = [diagnostics._rhat(diagnostics._z_scale(part)) for part in (half, folded)]
        return {"r_hat": float(max(parts))}
    if name == "offset 1e12":
        # Exact: all draws lie within a factor of 2 of what is taken away.
        near = x - 1e12
        out = {f"ess_{method}": az.ess(near, method=method) for method in ("mean", "sd")}
        out |= {f"mcse_{method}": az.mcse(near, method=method) for method in ("mean", "sd")}
        return {key: float(value) for key, value in out.items()}
    if name == "scale 1e-300":
        sized = x * 1e300
        out = {"ess_mean": az.ess(sized, method="mean"), "ess_sd": az.ess(sized, method="sd")}
        out["sd"] = np.std(np.ravel(sized), ddof=1) * 1e-300
        out["mcse_mean"] = az.mcse(sized, method="mean") * 1e-300
        out["mcse_sd"] = az.mcse(sized, method="sd") * 1e-300
        return {key: float(value) for key, value in out.items()}
    return {}


def plain(values):
    return {key: value if math.isfinite(value) else (None if math.isnan(value) else repr(value)) for key, value in values.items()}


def main():
    folder = pathlib.Path(sys.argv[1])
    rng = np.random.default_rng(21)
    found = {}
    for name, x in sets():
        energy = ar(rng, *x.shape, 0.3) * 3.0 + 100.0
        place = folder / name
        place.mkdir(parents=True)
        for c in range(x.shape[0]):
            rows = [f"-1.0,0.9,0.5,3,7,0,{float(e)!r},{float(v)!r}" for e, v in zip(energy[c], x[c])]
            head = "# method = sample (Default)\n#   save_warmup = 0 (Default)\n#   max_depth = 10 (Default)\n"
            columns = "lp__,accept_stat__,stepsize__,treedepth__,n_leapfrog__,divergent__,energy__,x\n"
            (place / f"chain-{c:03}.csv").write_text(head + columns + "\n".join(rows) + "\n")
        found[name] = {"arviz": plain(figures(x, energy)), "instead": plain(instead(name, x))}
    (folder / "figures.json").write_text(json.dumps(found, indent=1, allow_nan=False))


main()
