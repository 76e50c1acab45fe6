#!/usr/bin/env python3
"""Posteriors of CDNOW by the peers: PyMC-Marketing with its default sampler and with nutpie, and NumPyro's NUTS.

One group, weeks, calibration until 1997-09-30, the priors of PRIORS for everybody: those of configs/cdnow_sample.toml for
BG/NBD and Weibull ones for Pareto/NBD (which are PyMC-Marketing's own defaults), weak Weibull ones for Gamma-Gamma (whose defaults
differ between the programs). NumPyro has no hypergeometric function to write Pareto/NBD with. --data may be the sample or the master.
Every sampler has its own default settings but the numbers of chains and draws.

Prints one JSON object a line: seconds with compiling (`wall_s`, of the whole call) and without (`sampling_s`, warm-up included),
processor seconds of the same call (`cpu_s`, which other work on the machine stretches less), the least bulk ESS over the parameters (ArviZ), that per second of
wall time both ways, and the posterior's means and standard deviations.
"""

import argparse
import json
import os
import sys
import time
import warnings

PRIORS = {
    "bg_nbd": {
        "r": ("weibull", 2.0, 1.0),
        "alpha": ("weibull", 2.0, 10.0),
        "phi": ("uniform", 0.0, 1.0),
        "kappa": ("pareto", 1.0, 1.0),
    },
    "pareto_nbd": {
        "r": ("weibull", 2.0, 1.0),
        "alpha": ("weibull", 2.0, 10.0),
        "s": ("weibull", 2.0, 1.0),
        "beta": ("weibull", 2.0, 10.0),
    },
    "gamma_gamma": {"p": ("weibull", 2.0, 10.0), "q": ("weibull", 2.0, 5.0), "v": ("weibull", 2.0, 20.0)},
}
PARAMETERS = {"bg_nbd": ["r", "alpha", "a", "b"], "pareto_nbd": ["r", "alpha", "s", "beta"], "gamma_gamma": ["p", "q", "v"]}
PEERS = ["pymc", "nutpie", "numpyro"]
DEFAULT = ["bg_nbd", "gamma_gamma"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="data/cdnow/CDNOW_sample.txt", help="what scripts/fetch_cdnow.sh fetches")
    parser.add_argument("--peer", choices=PEERS, help="one peer (default: all, each in a process of its own)")
    parser.add_argument("--family", choices=list(PRIORS), help="one model (default: bg_nbd and gamma_gamma)")
    parser.add_argument("--chains", type=int, default=4)
    parser.add_argument("--warmup", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def summary(path):
    """One row per customer: x, t_x, T in weeks and the mean of the repeat days' amounts; the purchases of a day are one."""
    import pandas as pd

    # The sample has the master's identifier before its own.
    sample = ["master", "customer_id", "date", "items", "amount"]
    # The master's first line names its columns.
    with open(path, encoding="utf-8") as file:
        named = not file.readline().split()[0].isdigit()
    log = pd.read_csv(path, sep=r"\s+", header=None, skiprows=int(named))
    log.columns = sample if log.shape[1] == 5 else sample[1:]
    log["date"] = pd.to_datetime(log["date"].astype(str), format="%Y%m%d")
    end = pd.Timestamp("1997-09-30")
    days = log[log["date"] <= end].groupby(["customer_id", "date"], as_index=False)["amount"].sum()
    first = days.groupby("customer_id")["date"].transform("min")
    repeats = days[days["date"] > first].groupby("customer_id")["amount"]
    of = days.groupby("customer_id")["date"].agg(["min", "max", "count"])
    rows = pd.DataFrame(
        {
            "frequency": (of["count"] - 1).astype(float),
            "recency": (of["max"] - of["min"]).dt.days / 7.0,
            "T": (end - of["min"]).dt.days / 7.0,
            "monetary_value": repeats.mean().reindex(of.index).fillna(0.0),
        }
    )
    assert len(rows) in (2357, 23570), f"{path} is not CDNOW: {len(rows)} customers"
    return rows.rename_axis("customer_id").reset_index()


def rows_of(family, path):
    rows = summary(path)
    if family != "gamma_gamma":
        return rows[["customer_id", "frequency", "recency", "T"]]
    spenders = (rows["frequency"] > 0) & (rows["monetary_value"] > 0)
    return rows.loc[spenders, ["customer_id", "frequency", "monetary_value"]]


def pymc_fit(family, rows, args, nutpie):
    """The posterior, and the seconds of sampling as the sampler itself counts them."""
    from pymc_extras.prior import Prior
    from pymc_marketing import clv

    def prior(name, *numbers):
        keys = {"weibull": ("Weibull", "alpha", "beta"), "uniform": ("Uniform", "lower", "upper")}
        if name == "pareto":  # scale m, shape alpha
            return Prior("Pareto", m=numbers[0], alpha=numbers[1])
        kind, first, second = keys[name]
        return Prior(kind, **{first: numbers[0], second: numbers[1]})

    renamed = {"phi": "phi_dropout", "kappa": "kappa_dropout"}
    config = {renamed.get(name, name): prior(*spec) for name, spec in PRIORS[family].items()}
    classes = {"bg_nbd": clv.BetaGeoModel, "pareto_nbd": clv.ParetoNBDModel, "gamma_gamma": clv.GammaGammaModel}
    model_class = classes[family]
    settings = {"nuts_sampler": "nutpie"} if nutpie else {}
    common = {"chains": args.chains, "tune": args.warmup, "draws": args.draws, "random_seed": args.seed}
    # Without being asked for gradients, Pareto/NBD is sampled by DEMetropolisZ.
    method = {"method": "mcmc"} if family == "pareto_nbd" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = model_class(model_config=config)
            fit = lambda: model.fit(data=rows, progressbar=False, **method, **common, **settings)
        except TypeError:
            model = model_class(data=rows, model_config=config)
            fit = lambda: model.fit(progressbar=False, **method, **common, **settings)
        posterior = fit()
    return posterior, posterior.posterior.attrs.get("sampling_time")


def numpyro_nuts(family, rows, args):
    """Chains in one process, one device each: NumPyro's own way on a processor."""
    import numpyro

    numpyro.set_host_device_count(args.chains)
    numpyro.enable_x64()
    import arviz as az
    import jax
    import jax.numpy as jnp
    import numpyro.distributions as dist
    from jax.scipy.special import gammaln as lg
    from numpyro.infer import MCMC, NUTS

    def sample(name):
        kind, first, second = PRIORS[family][name]
        law = {
            "weibull": lambda: dist.Weibull(second, first),  # scale, concentration
            "uniform": lambda: dist.Uniform(first, second),
            "pareto": lambda: dist.Pareto(first, second),  # scale, alpha
        }[kind]()
        return numpyro.sample(name, law)

    # Γ terms once per distinct x, everything else per row: the quicker way to write it.
    distinct, index, counts = (jnp.asarray(c) for c in unique(rows["frequency"].to_numpy()))

    if family == "bg_nbd":
        x, t_x, age = (jnp.asarray(rows[c].to_numpy(float)) for c in ("frequency", "recency", "T"))

        data = (x, t_x, age, distinct, index, counts)

        def model(x, t_x, age, distinct, index, counts):
            r, alpha, phi, kappa = (sample(name) for name in ("r", "alpha", "phi", "kappa"))
            a = numpyro.deterministic("a", phi * kappa)
            b = numpyro.deterministic("b", (1.0 - phi) * kappa)
            per_x = lg(r + distinct) - lg(r) + lg(b + distinct) - lg(a + b + distinct) + lg(a + b) - lg(b)
            odds = (jnp.log(a) - jnp.log(b + jnp.maximum(distinct, 1.0) - 1.0))[index]
            e = r + x
            gone = jnp.where(x > 0, odds + e * (jnp.log(alpha + age) - jnp.log(alpha + t_x)), -1e300)
            per_row = r * jnp.log(alpha) - e * jnp.log(alpha + age) + jnp.logaddexp(0.0, gone)
            numpyro.factor("likelihood", jnp.sum(counts * per_x) + jnp.sum(per_row))
    else:
        x, m = (jnp.asarray(rows[c].to_numpy(float)) for c in ("frequency", "monetary_value"))

        data = (x, m, distinct, counts)

        def model(x, m, distinct, counts):
            p, q, v = (sample(name) for name in ("p", "q", "v"))
            per_x = lg(p * distinct + q) - lg(p * distinct) - lg(q)
            per_row = q * jnp.log(v) + (p * x - 1) * jnp.log(m) + p * x * jnp.log(x) - (p * x + q) * jnp.log(v + x * m)
            numpyro.factor("likelihood", jnp.sum(counts * per_x) + jnp.sum(per_row))

    # The first call compiles and samples; the second has another seed and nothing left to compile. Data are arguments, so that
    # XLA does not spend its time on folding them as constants.
    method = "parallel" if jax.local_device_count() >= args.chains else "vectorized"
    mcmc = MCMC(
        NUTS(model, dense_mass=True),  # the parameters are correlated, and three or four of them are few
        num_warmup=args.warmup,
        num_samples=args.draws,
        num_chains=args.chains,
        chain_method=method,
        progress_bar=False,
        jit_model_args=True,
    )
    before, began = sum(os.times()[:4]), time.perf_counter()
    mcmc.run(jax.random.PRNGKey(args.seed), *data)
    jax.block_until_ready(mcmc.get_samples())
    wall_s, cpu_s = time.perf_counter() - began, sum(os.times()[:4]) - before
    posterior = az.from_numpyro(mcmc)
    began = time.perf_counter()
    mcmc.run(jax.random.PRNGKey(args.seed + 1), *data)
    jax.block_until_ready(mcmc.get_samples())
    return posterior, time.perf_counter() - began, wall_s, cpu_s


def unique(x):
    import numpy as np

    distinct, index, counts = np.unique(x, return_inverse=True, return_counts=True)
    return distinct.astype(float), index, counts.astype(float)


def one(peer, family, args):
    import arviz as az

    # What must be imported is not counted, for anybody; what must be compiled is.
    if peer == "numpyro":
        import numpyro

        version = f"numpyro {numpyro.__version__}"
    else:
        import pymc_marketing

        version = f"pymc-marketing {pymc_marketing.__version__}"
        if peer == "nutpie":
            import nutpie

            version += f", nutpie {nutpie.__version__}"
    rows = rows_of(family, args.data)
    before = sum(os.times()[:4])
    began = time.perf_counter()
    if peer == "numpyro":
        posterior, sampling_s, wall_s, cpu_s = numpyro_nuts(family, rows, args)
    else:
        posterior, sampling_s = pymc_fit(family, rows, args, nutpie=peer == "nutpie")
        wall_s, cpu_s = time.perf_counter() - began, sum(os.times()[:4]) - before
    names = PARAMETERS[family]
    ess = min(float(az.ess(posterior, var_names=[n], method="bulk")[n]) for n in names)
    r_hat = max(float(az.rhat(posterior, var_names=[n])[n]) for n in names)
    draws = {n: posterior.posterior[n].to_numpy() for n in names}
    divergences = int(posterior.sample_stats["diverging"].sum()) if "diverging" in posterior.sample_stats else None
    return {
        "peer": peer,
        "version": version,
        "family": family,
        "customers": len(rows),
        "chains": args.chains,
        "warmup": args.warmup,
        "draws": args.draws,
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "sampling_s": sampling_s,
        "min_ess_bulk": ess,
        "ess_per_s": ess / wall_s,
        "ess_per_s_without_compile": ess / sampling_s if sampling_s else None,
        "max_r_hat": r_hat,
        "divergences": divergences,
        "mean": {n: float(d.mean()) for n, d in draws.items()},
        "sd": {n: float(d.std()) for n, d in draws.items()},
    }


def main():
    args = arguments()
    if not os.path.exists(args.data):
        sys.exit(f"{args.data} is not there; scripts/fetch_cdnow.sh fetches it")
    if (args.peer, args.family) == ("numpyro", "pareto_nbd"):
        sys.exit("NumPyro has no hypergeometric function to write Pareto/NBD with")
    if args.peer and args.family:
        # NumPyro wants one device a chain before JAX wakes up, PyMC forks, and nobody shall inherit what another has compiled:
        # every measurement is a process of its own.
        print(json.dumps(one(args.peer, args.family, args)), flush=True)
        return
    import subprocess

    rest = [f"--{key}={getattr(args, key)}" for key in ("data", "chains", "warmup", "draws", "seed")]
    for family in [args.family] if args.family else DEFAULT:
        able = [peer for peer in PEERS if (peer, family) != ("numpyro", "pareto_nbd")]
        for peer in [args.peer] if args.peer else able:
            command = [sys.executable, __file__, "--peer", peer, "--family", family, *rest]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
            if done.returncode != 0:
                sys.exit(f"{peer} failed on {family}: see above")
            print(done.stdout.strip().splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
